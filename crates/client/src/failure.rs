//! Names and explanations of failed actions, from the runtime's own error types.

use std::fmt;

use myelin_runtime::{RuntimeError, RuntimeEvent};
use scale_info::{form::MetaForm, TypeDef, TypeInfo, Variant};
use sp_runtime::{ArithmeticError, DispatchError, ModuleError, TokenError};

/// Errors that mean that the signer has too little to pay with.
const LACK_OF_FUNDS: [&str; 6] = [
    "Arithmetic(Underflow)",
    "CannotAffordLockCost",
    "InsufficientBalance",
    "NotEnoughBalanceToStake",
    "Token(FundsUnavailable)",
    "Token(NotExpendable)",
];

/// Why the action of a transaction failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchFailure {
    /// Pallet that refused, or `Runtime`.
    pub pallet: String,
    /// Name of the error, stable across versions.
    pub error: String,
    /// What it means.
    pub explanation: String,
}

impl DispatchFailure {
    /// `Pallet.Error`, stable across versions.
    pub fn name(&self) -> String {
        format!("{}.{}", self.pallet, self.error)
    }

    /// Whether the signer has too little to pay with.
    pub fn is_about_funds(&self) -> bool {
        LACK_OF_FUNDS.contains(&self.error.as_str())
    }
}

impl fmt::Display for DispatchFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.explanation.trim_end_matches('.') {
            "" => write!(formatter, "the chain answers {}", self.name()),
            explanation => write!(formatter, "{explanation} ({})", self.name()),
        }
    }
}

impl From<DispatchError> for DispatchFailure {
    fn from(error: DispatchError) -> Self {
        match error {
            DispatchError::Module(error) => module_failure(&error),
            other => Self {
                pallet: "Runtime".into(),
                error: format!("{other:?}"),
                explanation: explain(other).into(),
            },
        }
    }
}

/// What an error of the runtime itself means to the one who signed.
fn explain(error: DispatchError) -> &'static str {
    match error {
        DispatchError::BadOrigin => "this account may not do that",
        DispatchError::Token(TokenError::FundsUnavailable) => "the balance does not suffice",
        DispatchError::Arithmetic(ArithmeticError::Underflow) => {
            "the balance, or another amount that is taken from, does not suffice"
        }
        DispatchError::Token(TokenError::NotExpendable) => {
            "the account would keep less than the smallest balance that there may be"
        }
        DispatchError::Token(TokenError::BelowMinimum) => {
            "the receiver would have less than the smallest balance that there may be"
        }
        other => other.into(),
    }
}

/// The failure that an event reports: of the transaction itself, or of a call inside it.
pub(crate) fn failure_in(event: &RuntimeEvent) -> Option<DispatchFailure> {
    let error = match event {
        RuntimeEvent::System(frame_system::Event::ExtrinsicFailed { dispatch_error, .. }) => *dispatch_error,
        RuntimeEvent::Sudo(
            pallet_sudo::Event::Sudid { sudo_result: Err(error) }
            | pallet_sudo::Event::SudoAsDone { sudo_result: Err(error) },
        ) => *error,
        RuntimeEvent::Utility(
            pallet_utility::Event::BatchInterrupted { error, .. }
            | pallet_utility::Event::ItemFailed { error },
        ) => *error,
        _ => return None,
    };
    Some(error.into())
}

fn module_failure(error: &ModuleError) -> DispatchFailure {
    let pallet = variant(&RuntimeError::type_info(), error.index);
    let kind = pallet.as_ref().and_then(|pallet| {
        let errors = pallet.fields.first()?.ty.type_info();
        variant(&errors, *error.error.first()?)
    });
    DispatchFailure {
        pallet: pallet.map_or_else(|| format!("pallet {}", error.index), |pallet| pallet.name.into()),
        error: kind.as_ref().map_or_else(|| format!("error {:?}", error.error), |kind| kind.name.into()),
        explanation: kind.map(|kind| kind.docs.join(" ").trim().to_owned()).unwrap_or_default(),
    }
}

fn variant(of: &scale_info::Type<MetaForm>, index: u8) -> Option<Variant<MetaForm>> {
    match &of.type_def {
        TypeDef::Variant(variants) => {
            variants.variants.iter().find(|variant| variant.index == index).cloned()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use myelin_runtime::Runtime;

    use super::*;

    #[test]
    fn module_errors_are_named_and_explained() {
        let error = pallet_subtensor::Error::<Runtime>::NotEnoughBalanceToStake;
        let failure = DispatchFailure::from(DispatchError::from(error));
        assert_eq!(failure.pallet, "SubtensorModule");
        assert_eq!(failure.error, "NotEnoughBalanceToStake");
        assert_eq!(failure.explanation, "The coldkey cannot pay this.");
        let shown = failure.to_string();
        assert_eq!(shown, "The coldkey cannot pay this (SubtensorModule.NotEnoughBalanceToStake)");
    }

    #[test]
    fn unknown_module_errors_keep_their_numbers() {
        let error = ModuleError { index: 251, error: [9, 0, 0, 0], message: None };
        let failure = DispatchFailure::from(DispatchError::Module(error));
        assert_eq!(failure.to_string(), "the chain answers pallet 251.error [9, 0, 0, 0]");
    }

    #[test]
    fn errors_of_the_runtime_itself_are_named() {
        let shown = |error: DispatchError| DispatchFailure::from(error).to_string();
        assert_eq!(shown(DispatchError::BadOrigin), "this account may not do that (Runtime.BadOrigin)");
        assert_eq!(
            shown(TokenError::FundsUnavailable.into()),
            "the balance does not suffice (Runtime.Token(FundsUnavailable))"
        );
        assert_eq!(shown(DispatchError::Exhausted), "Resources exhausted (Runtime.Exhausted)");
    }

    #[test]
    fn failures_inside_a_successful_transaction_are_found() {
        let inner =
            RuntimeEvent::Sudo(pallet_sudo::Event::Sudid { sudo_result: Err(DispatchError::BadOrigin) });
        assert_eq!(failure_in(&inner).map(|failure| failure.error), Some("BadOrigin".into()));
        let fine = RuntimeEvent::Sudo(pallet_sudo::Event::Sudid { sudo_result: Ok(()) });
        assert_eq!(failure_in(&fine), None);
    }
}
