//! Whether bytes are the arguments of a runtime function.
//!
//! The code that FRAME generates for runtime APIs panics on arguments that it cannot decode, because in a sandbox that harms
//! nobody. Here it would unwind through native code. So [`runtime_apis`] makes a second thing of the same text: a table of
//! all functions that says of any bytes whether the generated code can decode them, and if not, why.

use codec::DecodeLimit;
use frame_support::MAX_EXTRINSIC_DEPTH;

/// Why a runtime function cannot be called with some bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadArguments {
    /// The bytes end too early or are no value of the argument's type.
    #[error(
        "Bad input data provided to {api}_{function}: expected ({parameters}) in SCALE encoding, but `{parameter}` \
         cannot be decoded: {reason}"
    )]
    Undecodable {
        /// The runtime API.
        api: &'static str,
        /// The function.
        function: &'static str,
        /// Its parameters, as Rust writes them.
        parameters: String,
        /// The first one that is not there.
        parameter: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// The function takes nothing.
    #[error("Bad input data provided to {api}_{function}: expected no arguments, found {found} bytes")]
    Unexpected {
        /// The runtime API.
        api: &'static str,
        /// The function.
        function: &'static str,
        /// How many bytes were given.
        found: usize,
    },
}

/// The functions of one runtime API.
pub(crate) struct Api {
    /// Path of the trait in Rust, which ends with the API's name.
    pub path: &'static [&'static str],
    pub functions: &'static [Declaration],
}

impl Api {
    fn name(&self) -> &'static str {
        self.path.last().copied().unwrap_or_default()
    }
}

/// A function as it is declared.
pub(crate) struct Declaration {
    pub name: &'static str,
    pub parameters: &'static [Parameter],
    pub decode: fn(&mut &[u8]) -> Result<(), Undecodable>,
}

/// Name and type.
pub(crate) type Parameter = (&'static str, &'static str);

/// A parameter for which there is no value, and why.
pub(crate) type Undecodable = (&'static str, codec::Error);

/// A runtime function that can be called by its name.
#[derive(Clone, Copy)]
pub struct Function {
    api: &'static str,
    declaration: &'static Declaration,
}

impl Function {
    /// The function of that name, `Api_function`.
    pub fn find(name: &str) -> Option<Self> {
        let (api, function) = name.split_once('_')?;
        let api = crate::apis::APIS.iter().find(|candidate| candidate.name() == api)?;
        let declaration = api.functions.iter().find(|candidate| candidate.name == function)?;
        Some(Self { api: api.name(), declaration })
    }

    /// Whether the function can be called with these arguments: SCALE values one after the other. What follows the last one
    /// is ignored, as everywhere in the Substrate family, except after none.
    ///
    /// # Errors
    /// [`BadArguments`] names function and parameter.
    pub fn check(self, mut arguments: &[u8]) -> Result<(), BadArguments> {
        let Self { api, declaration: &Declaration { name: function, parameters, decode } } = self;
        if parameters.is_empty() && !arguments.is_empty() {
            return Err(BadArguments::Unexpected { api, function, found: arguments.len() });
        }
        decode(&mut arguments).map_err(|(parameter, error)| {
            let parameters: Vec<_> =
                parameters.iter().map(|(name, kind)| format!("{}: {kind}", used(name))).collect();
            let (parameters, reason) = (parameters.join(", "), on_one_line(&error));
            BadArguments::Undecodable { api, function, parameters, parameter: used(parameter), reason }
        })
    }
}

/// The name of a parameter that a function may not use.
fn used(name: &'static str) -> &'static str {
    name.trim_start_matches('_')
}

/// Decoders say what they were in on lines of their own.
fn on_one_line(error: &codec::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Takes one argument off `input`. Calls nest in calls, so depth is limited; the generated code does not limit it.
pub(crate) fn take<T: DecodeLimit>(parameter: &'static str, input: &mut &[u8]) -> Result<(), Undecodable> {
    T::decode_with_depth_limit(MAX_EXTRINSIC_DEPTH, input).map(drop).map_err(|error| (parameter, error))
}

/// Implements runtime APIs through `impl_runtime_apis`, and lists their functions in a constant `APIS`.
macro_rules! runtime_apis {
    ($($text:tt)*) => {
        sp_api::impl_runtime_apis! { $($text)* }
        $crate::arguments::list_apis! { $($text)* }
    };
}

macro_rules! list_apis {
    ($(
        impl $($path:ident)::+ <$($generic:ty),+> for Runtime {
            $(fn $name:ident ($($parameters:tt)*) $(-> $answer:ty)? $body:block)*
        }
    )*) => {
        /// Everything that can be called by name.
        pub(crate) const APIS: &[$crate::arguments::Api] = &[$($crate::arguments::Api {
            path: &[$(stringify!($path)),+],
            functions: &[$($crate::arguments::Declaration {
                name: stringify!($name),
                parameters: $crate::arguments::parameters!($($parameters)*),
                decode: $crate::arguments::decoder!($($parameters)*),
            }),*],
        }),*];
    };
}

macro_rules! parameters {
    ($($name:ident : $type:ty),* $(,)?) => { &[$((stringify!($name), stringify!($type))),*] };
}

macro_rules! decoder {
    () => { |_| Ok(()) };
    // A reference is to a value that was decoded before.
    ($name:ident : & $type:ty) => { $crate::arguments::decoder!($name: $type) };
    ($($name:ident : $type:ty),+ $(,)?) => {
        |input| {
            $($crate::arguments::take::<$type>(stringify!($name), input)?;)+
            Ok(())
        }
    };
}

pub(crate) use {decoder, list_apis, parameters, runtime_apis};

#[cfg(test)]
mod tests {
    use codec::Encode;
    use frame_metadata::{v15::RuntimeMetadataV15, RuntimeMetadata, RuntimeMetadataPrefixed};

    use super::*;
    use crate::AccountId;

    fn check(name: &str, arguments: &[u8]) -> Result<(), String> {
        Function::find(name).expect("a function").check(arguments).map_err(|error| error.to_string())
    }

    fn metadata() -> RuntimeMetadataV15 {
        // Constants are read from the state.
        let bytes =
            sp_io::TestExternalities::default().execute_with(|| crate::Runtime::metadata_at_version(15));
        let bytes = bytes.expect("version 15");
        let metadata: RuntimeMetadataPrefixed = codec::Decode::decode(&mut bytes.as_slice()).unwrap();
        match metadata.1 {
            RuntimeMetadata::V15(metadata) => metadata,
            other => panic!("version {}", other.version()),
        }
    }

    /// The metadata is generated independently from the same declarations.
    #[test]
    fn every_function_of_the_metadata_is_known_with_its_parameters() {
        let mut functions = 0;
        for api in metadata().apis {
            for method in api.methods {
                let name = format!("{}_{}", api.name, method.name);
                let function = Function::find(&name).unwrap_or_else(|| panic!("{name} is missing"));
                let declared = function.declaration.parameters.iter();
                let declared: Vec<_> = declared.map(|(name, _)| used(name)).collect();
                let listed: Vec<_> = method.inputs.iter().map(|input| input.name.as_str()).collect();
                assert_eq!(declared, listed, "{name}");
                functions += 1;
            }
        }
        assert_eq!(functions, crate::apis::APIS.iter().map(|api| api.functions.len()).sum::<usize>());
    }

    #[test]
    fn only_whole_names_are_found() {
        for name in
            ["", "_", "Core", "Core_", "_version", "core_version", "Core_version_", "sp_api::Core_version"]
        {
            assert!(Function::find(name).is_none(), "{name}");
        }
        assert!(Function::find("Core_version").is_some());
    }

    #[test]
    fn arguments_are_decoded_one_by_one() {
        let accounts = vec![AccountId::new([7; 32]); 3].encode();
        let of_coldkeys = "StakeInfoRuntimeApi_get_stake_info_for_coldkeys";
        check(of_coldkeys, &accounts).unwrap();
        for length in 0..accounts.len() {
            let error = check(of_coldkeys, &accounts[..length]).unwrap_err();
            assert!(
                error.contains("get_stake_info_for_coldkeys: expected (coldkey_accounts: Vec<AccountId>)"),
                "{error}"
            );
            assert!(error.contains("`coldkey_accounts` cannot be decoded"), "{error}");
        }
        let availability = "StakeInfoRuntimeApi_get_stake_availability_for_coldkeys";
        check(availability, &accounts).unwrap_err();
        check(availability, &[&accounts[..], &[0]].concat()).unwrap();
        let error = check("StakeInfoRuntimeApi_get_stake_fee", &[1]).unwrap_err();
        assert!(error.contains(" origin_coldkey_account: AccountId,") && !error.contains('\n'), "{error}");
        let error = check(availability, &[&accounts[..], &[2]].concat()).unwrap_err();
        assert!(error.contains("`netuids` cannot be decoded"), "{error}");
    }

    #[test]
    fn what_follows_the_last_argument_is_ignored_except_after_none() {
        check("NeuronInfoRuntimeApi_get_neurons", &[1, 0, 9, 9]).unwrap();
        check("Core_version", &[]).unwrap();
        let error = check("Core_version", &[0, 0]).unwrap_err();
        assert_eq!(error, "Bad input data provided to Core_version: expected no arguments, found 2 bytes");
    }
}
