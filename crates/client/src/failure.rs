//! Names and explanations of failed actions, from the runtime's own error types.

use std::fmt;

use myelin_runtime::{RuntimeError, RuntimeEvent};
use scale_info::{form::MetaForm, TypeDef, TypeInfo, Variant};
use sp_runtime::{DispatchError, ModuleError};

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

impl fmt::Display for DispatchFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.pallet, self.error)?;
        match self.explanation.as_str() {
            "" => Ok(()),
            explanation => write!(formatter, ": {explanation}"),
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
                explanation: <&'static str>::from(other).into(),
            },
        }
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
        assert_eq!(shown, "SubtensorModule.NotEnoughBalanceToStake: The coldkey cannot pay this.");
    }

    #[test]
    fn unknown_module_errors_keep_their_numbers() {
        let error = ModuleError { index: 251, error: [9, 0, 0, 0], message: None };
        let failure = DispatchFailure::from(DispatchError::Module(error));
        assert_eq!(failure.to_string(), "pallet 251.error [9, 0, 0, 0]");
    }

    #[test]
    fn errors_of_the_runtime_itself_are_named() {
        let failure = DispatchFailure::from(DispatchError::BadOrigin);
        assert_eq!(failure.to_string(), "Runtime.BadOrigin: Bad origin");
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
