//! Requests that are answered once. Each method is a row: its names, its parameters, what it costs and what it does.

pub(crate) mod audit;
pub(crate) mod author;
pub(crate) mod chain;
pub(crate) mod development;
pub(crate) mod payment;
pub(crate) mod state;
pub(crate) mod system;

use std::{future::Future, pin::Pin, sync::Arc};

use jsonrpsee::{server::RegisterMethodError, types::Params, Extensions, RpcModule};
use serde_json::json;

use crate::{
    connection::Flow,
    error::{busy, RpcResult},
    parameters::{Arguments, Names},
    turns::Client,
    work::Cost,
    Context,
};

/// One request method.
pub(crate) struct Method {
    /// Its name.
    pub name: &'static str,
    /// Other names for the same.
    pub aliases: &'static [&'static str],
    /// The names of its parameters, in order.
    pub parameters: &'static [Names],
    /// What it does.
    pub run: Run,
}

/// How a method is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// At once; it only looks at what is in memory.
    Now(fn(&Context) -> RpcResult),
    /// On a thread, when it is its turn.
    Blocking(Cost, fn(&Context, Arguments) -> RpcResult),
    /// Mostly by waiting.
    Waiting(fn(Arc<Context>, Arguments) -> Answer),
    /// By waiting, and given up when whoever asked has gone.
    WhileConnected(fn(Arc<Context>, Arguments) -> Answer),
}

/// An answer that takes a while.
pub(crate) type Answer = Pin<Box<dyn Future<Output = RpcResult> + Send>>;

impl Method {
    async fn answer(
        &'static self,
        params: Params<'static>,
        context: Arc<Context>,
        extensions: Extensions,
    ) -> RpcResult {
        match self.run {
            Run::Now(run) => {
                Arguments::parse(&params, self.parameters)?;
                run(&context)
            }
            Run::Blocking(cost, run) => {
                let client = extensions.get::<Arc<Flow>>().map_or(Client::Server, |flow| flow.client());
                let services = Arc::clone(&context);
                let work = move || {
                    extensions.get::<Arc<Flow>>().map_or(Ok(()), |flow| flow.check_share())?;
                    // Parameters may be large, so that reading them is work as well.
                    run(&services, Arguments::parse(&params, self.parameters)?)
                };
                context.workshop.run(cost, client, work).await?
            }
            Run::Waiting(run) => run(context, Arguments::parse(&params, self.parameters)?).await,
            Run::WhileConnected(run) => {
                let answer = run(context, Arguments::parse(&params, self.parameters)?);
                while_connected(extensions.get::<Arc<Flow>>(), answer).await
            }
        }
    }
}

async fn while_connected(flow: Option<&Arc<Flow>>, answer: Answer) -> RpcResult {
    let Some(flow) = flow else { return answer.await };
    tokio::select! {
        biased;
        answer = answer => answer,
        () = flow.closed() => Err(busy("the connection is closed")),
    }
}

/// Adds all methods; the `dev_*` ones only on a development chain.
pub(crate) fn register(
    module: &mut RpcModule<Context>,
    is_development: bool,
) -> Result<(), RegisterMethodError> {
    let always =
        [system::METHODS, chain::METHODS, state::METHODS, author::METHODS, payment::METHODS, audit::METHODS];
    let development = is_development.then_some(development::METHODS);
    for method in always.into_iter().chain(development).flatten() {
        module.register_async_method(method.name, move |params, context, extensions| async move {
            method.answer(params, context, extensions).await
        })?;
        for alias in method.aliases {
            module.register_alias(alias, method.name)?;
        }
    }
    Ok(())
}

/// Adds the method that lists all methods; to be called last.
pub(crate) fn register_list(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    const NAME: &str = "rpc_methods";
    let mut names: Vec<_> = module.method_names().chain([NAME]).collect();
    names.sort_unstable();
    module.register_method(NAME, move |_, _, _| json!({ "methods": names }))?;
    Ok(())
}
