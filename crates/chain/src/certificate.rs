//! The proof that a block was decided: signed votes of more than two thirds of the voting power.
//!
//! Nothing here needs the engine that collected the votes, so a light client verifies a certificate with the validator
//! set of the height and the hash of the genesis block alone.

use std::collections::BTreeSet;

use codec::{Decode, DecodeAll, Encode};
use myelin_runtime::Hash;
use sp_core::{ed25519, Pair as _};

use crate::validators::{ConsensusKey, ValidatorSet, MAX_VALIDATORS};

/// Separates votes from whatever else a key may sign; the digit changes with the layout.
const VOTE_DOMAIN: &[u8; 14] = b"myelin/vote/1\0";

/// An Ed25519 signature.
pub type ConsensusSignature = [u8; 64];

/// What a vote is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum VoteKind {
    /// The block is valid.
    #[codec(index = 0)]
    Prevote,
    /// The block should be decided, because enough others found it valid.
    #[codec(index = 1)]
    Precommit,
}

/// The bytes that a vote's signature covers: domain, hash of the genesis block, height, round (both as 4 little-endian
/// bytes), kind, and 1 with the block's hash, or 0 for a vote for no block.
pub fn vote_sign_bytes(
    chain: &Hash,
    height: u32,
    round: u32,
    kind: VoteKind,
    block: Option<&Hash>,
) -> Vec<u8> {
    (VOTE_DOMAIN, chain, height, round, kind, block).encode()
}

/// Whether `signature` is `key`'s for `message`.
pub fn verify_signature(key: &ConsensusKey, message: &[u8], signature: &ConsensusSignature) -> bool {
    ed25519::Pair::verify(
        &ed25519::Signature::from_raw(*signature),
        message,
        &ed25519::Public::from_raw(*key),
    )
}

/// Proves that a block was decided.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Certificate {
    /// Height of the block.
    pub height: u32,
    /// The round in which it was decided.
    pub round: u32,
    /// Hash of its header.
    pub block: Hash,
    /// Precommits for it: who, and the signature.
    pub signatures: Vec<(ConsensusKey, ConsensusSignature)>,
}

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Its bytes are not a certificate.
    #[error("the certificate cannot be decoded: {0}; get it from another node")]
    Malformed(String),
    /// More signatures than there can be validators.
    #[error("the certificate has {0} signatures, more than the limit of {MAX_VALIDATORS}")]
    TooMany(usize),
    /// Somebody signed twice.
    #[error("validator {0:?} signed twice")]
    Duplicate(Hash),
    /// Somebody else signed.
    #[error("{0:?} signed, who is no validator of that height")]
    NotValidator(Hash),
    /// A signature does not fit.
    #[error("the signature of validator {0:?} is not one for this block")]
    BadSignature(Hash),
    /// Not enough votes.
    #[error("votes of {found} of {total} signed, more than two thirds are needed")]
    TooFew {
        /// What the signers weigh.
        found: u64,
        /// What all validators weigh.
        total: u64,
    },
}

impl Certificate {
    /// Reads a certificate as blocks carry it.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] and [`CertificateError::TooMany`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        let certificate = Self::decode_all(&mut &bytes[..])
            .map_err(|error| CertificateError::Malformed(error.to_string()))?;
        match certificate.signatures.len() {
            count if count > MAX_VALIDATORS => Err(CertificateError::TooMany(count)),
            _ => Ok(certificate),
        }
    }

    /// Checks that validators with more than two thirds of the power decided the block, on the chain that starts with
    /// the block `chain`.
    ///
    /// # Errors
    /// See [`CertificateError`]; one signature that does not fit spoils the whole.
    pub fn verify(&self, validators: &ValidatorSet, chain: &Hash) -> Result<(), CertificateError> {
        if self.signatures.len() > MAX_VALIDATORS {
            return Err(CertificateError::TooMany(self.signatures.len()));
        }
        let message = vote_sign_bytes(chain, self.height, self.round, VoteKind::Precommit, Some(&self.block));
        let mut seen = BTreeSet::new();
        let mut power = 0u64;
        for (key, signature) in &self.signatures {
            if !seen.insert(key) {
                return Err(CertificateError::Duplicate(key.into()));
            }
            let validator = validators.get(key).ok_or(CertificateError::NotValidator(key.into()))?;
            if !verify_signature(key, &message, signature) {
                return Err(CertificateError::BadSignature(key.into()));
            }
            // Distinct members of one set never weigh more than its total.
            power += validator.power;
        }
        match validators.is_quorum(power) {
            true => Ok(()),
            false => Err(CertificateError::TooFew { found: power, total: validators.total_power() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use myelin_runtime::AccountId;

    use super::*;
    use crate::validators::Validator;

    fn pair(seed: u8) -> ed25519::Pair {
        ed25519::Pair::from_seed(&[seed; 32])
    }

    fn chain() -> Hash {
        Hash::repeat_byte(7)
    }

    fn set() -> ValidatorSet {
        let member = |seed: u8| Validator {
            key: pair(seed).public().0,
            account: AccountId::new([seed; 32]),
            power: u64::from(seed),
        };
        ValidatorSet::new((1..=4).map(member).collect()).unwrap()
    }

    fn certificate(seeds: &[u8]) -> Certificate {
        let block = Hash::repeat_byte(9);
        let message = vote_sign_bytes(&chain(), 5, 1, VoteKind::Precommit, Some(&block));
        let sign = |seed: &u8| (pair(*seed).public().0, pair(*seed).sign(&message).0);
        Certificate { height: 5, round: 1, block, signatures: seeds.iter().map(sign).collect() }
    }

    #[test]
    fn more_than_two_thirds_prove_a_block() {
        certificate(&[4, 3]).verify(&set(), &chain()).unwrap();
        certificate(&[1, 2, 3, 4]).verify(&set(), &chain()).unwrap();
        assert_eq!(
            certificate(&[4, 2]).verify(&set(), &chain()),
            Err(CertificateError::TooFew { found: 6, total: 10 })
        );
        assert!(certificate(&[]).verify(&ValidatorSet::default(), &chain()).is_err());
    }

    #[test]
    fn a_certificate_is_for_one_block_round_height_and_chain() {
        let good = certificate(&[4, 3]);
        let refused = |change: fn(&mut Certificate)| {
            let mut changed = good.clone();
            change(&mut changed);
            changed.verify(&set(), &chain()).unwrap_err()
        };
        for error in [
            refused(|certificate| certificate.height += 1),
            refused(|certificate| certificate.round += 1),
            refused(|certificate| certificate.block = Hash::zero()),
            refused(|certificate| certificate.signatures[0].1[0] ^= 1),
            good.verify(&set(), &Hash::zero()).unwrap_err(),
        ] {
            assert_eq!(error, CertificateError::BadSignature(pair(4).public().0.into()));
        }
    }

    #[test]
    fn nobody_counts_twice_and_nobody_else_counts() {
        let error = certificate(&[4, 4]).verify(&set(), &chain()).unwrap_err();
        assert_eq!(error, CertificateError::Duplicate(pair(4).public().0.into()));
        let error = certificate(&[4, 3, 9]).verify(&set(), &chain()).unwrap_err();
        assert_eq!(error, CertificateError::NotValidator(pair(9).public().0.into()));
    }

    #[test]
    fn a_prevote_does_not_decide() {
        let mut certificate = certificate(&[]);
        let message = vote_sign_bytes(&chain(), 5, 1, VoteKind::Prevote, Some(&certificate.block));
        certificate.signatures =
            [4, 3].map(|seed| (pair(seed).public().0, pair(seed).sign(&message).0)).into();
        assert!(matches!(certificate.verify(&set(), &chain()), Err(CertificateError::BadSignature(_))));
    }

    #[test]
    fn sign_bytes_and_encoding_are_fixed() {
        let bytes = vote_sign_bytes(&chain(), 0x0102, 3, VoteKind::Precommit, Some(&Hash::repeat_byte(9)));
        let mut expected = b"myelin/vote/1\0".to_vec();
        expected.extend([7; 32]);
        expected.extend([2, 1, 0, 0, 3, 0, 0, 0, 1, 1]);
        expected.extend([9; 32]);
        assert_eq!(bytes, expected);
        let nil = vote_sign_bytes(&chain(), 1, 0, VoteKind::Prevote, None);
        assert_eq!(nil[46..], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let certificate = Certificate {
            height: 1,
            round: 2,
            block: Hash::repeat_byte(3),
            signatures: vec![([4; 32], [5; 64])],
        };
        let encoded = certificate.encode();
        assert_eq!(encoded[..8], [1, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!((encoded[40], encoded.len()), (4, 41 + 96));
        assert_eq!(Certificate::from_bytes(&encoded).unwrap(), certificate);
        assert!(Certificate::from_bytes(&encoded[..100]).is_err());
        assert!(Certificate::from_bytes(&[encoded.as_slice(), &[0]].concat()).is_err());
    }
}
