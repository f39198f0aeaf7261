//! Who is paid for a block.

use myelin_chain::{AccountId, Header, Validator};

/// Why a block's author is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthorError {
    #[error("it does not name exactly one author")]
    NotOne,
    #[error("its author {0:?} is not the account of a validator whose turn it was")]
    NotProposer(AccountId),
}

/// Checks that a block names one author, the account of one of `proposers`.
///
/// While a block is agreed on, these are the proposers of the rounds so far. Later only membership in the set is
/// checked, because a certificate does not tell in which round the block was first proposed.
pub(crate) fn check<'a>(
    header: &Header,
    mut proposers: impl Iterator<Item = &'a Validator>,
) -> Result<(), AuthorError> {
    let author = myelin_chain::block::author(header).ok_or(AuthorError::NotOne)?;
    match proposers.any(|validator| validator.account == author) {
        true => Ok(()),
        false => Err(AuthorError::NotProposer(author)),
    }
}
