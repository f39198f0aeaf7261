//! Options that come from the environment.

use std::{env, ffi::OsStr};

use clap::{
    error::{ContextKind, ContextValue},
    Arg, Command,
};

/// All options of a program and of its commands.
fn options(command: &Command) -> Vec<&Arg> {
    let own = command.get_arguments();
    own.chain(command.get_subcommands().flat_map(options)).collect()
}

/// Makes an empty variable the same as none, as scripts mean it that pass one on. No other thread may run yet.
pub fn forget_empty(program: &Command) {
    for name in options(program).into_iter().filter_map(Arg::get_env) {
        if env::var_os(name).is_some_and(|value| value.is_empty()) {
            env::remove_var(name);
        }
    }
}

/// Says of a wrong value that comes from the environment from which variable; an error itself names only the flag.
pub fn name_origin(mut error: clap::Error, program: &Command) -> clap::Error {
    if let Some(name) = origin_of(&error, program) {
        let tip = format!("the value is that of the environment variable {}", name.to_string_lossy());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

fn origin_of<'a>(error: &clap::Error, program: &'a Command) -> Option<&'a OsStr> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = argument.split([' ', '=', '[']).next()?;
    let is_given = env::args_os().any(|given| given.to_string_lossy().split('=').next() == Some(flag));
    let long = flag.strip_prefix("--");
    let named = options(program).into_iter().filter(|option| long.is_some() && option.get_long() == long);
    // Commands that do not look at the environment may have an option of the same name.
    named.filter_map(Arg::get_env).find(|name| !is_given && env::var_os(name).is_some())
}
