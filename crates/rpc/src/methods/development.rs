//! `dev_*`: making blocks and moving time on a development chain. Paths are paths on the machine that runs the node.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use codec::Encode;
use myelin_chain::{AccountId, LocalError, LocalHandle, SnapshotId, Tip, DUMP_MAGIC};
use serde_json::{json, Value};

use super::{audit::conservation, state::decode, Answer, Method, Run};
use crate::{
    error::{self, development, limit_exceeded, RpcResult},
    parameters::{Arguments, Names},
    turns::Client,
    work::Cost,
    Context,
};

/// Blocks that one request may make.
const MAX_BLOCKS: u32 = 1_000_000;
/// Blocks that one request makes before others get their turn. As many are written together, so that smaller slices would
/// be slower.
const SLICE_BLOCKS: u32 = 128;
/// Bytes of a dump that is loaded.
const MAX_DUMP_BYTES: u64 = 4 << 30;

const NEXT_EPOCH: &str = "SubnetInfoRuntimeApi_get_next_epoch_start_block";
/// Every subnet has an account.
const SUBNET_ACCOUNT: &str = "SubnetInfoRuntimeApi_get_subnet_account_id";
const PATH: &[Names] = &[&["path"]];

pub(crate) const METHODS: &[Method] = &[
    mining("dev_mine", &[&["n", "blocks"]], mine),
    waiting("dev_setTime", &[&["ms"]], set_time),
    waiting("dev_increaseTime", &[&["ms"]], increase_time),
    mining("dev_nextEpoch", &[&["netuid"]], next_epoch),
    waiting("dev_snapshot", &[], snapshot),
    waiting("dev_revert", &[&["id"]], revert),
    waiting("dev_dump", PATH, dump),
    waiting("dev_load", PATH, load),
    Method {
        name: "dev_conservation",
        aliases: &[],
        parameters: &[&["hash", "at"]],
        run: Run::Blocking(Cost::Call, conservation),
    },
];

const fn waiting(
    name: &'static str,
    parameters: &'static [Names],
    run: fn(Arc<Context>, Arguments) -> Answer,
) -> Method {
    Method { name, aliases: &[], parameters, run: Run::Waiting(run) }
}

/// One that may take long.
const fn mining(
    name: &'static str,
    parameters: &'static [Names],
    run: fn(Arc<Context>, Arguments) -> Answer,
) -> Method {
    Method { name, aliases: &[], parameters, run: Run::WhileConnected(run) }
}

fn sequencer(context: &Context) -> RpcResult<&LocalHandle> {
    context.services.development.as_ref().ok_or_else(|| development("this is not a development chain"))
}

fn tip_json(tip: &Tip) -> Value {
    json!({ "number": tip.number(), "hash": tip.hash })
}

/// Makes `n` blocks, 1 unless told, each one slot later than the one before; answers the new tip. Other requests get their
/// turn meanwhile; blocks that they make count. Ends early when the connection is closed.
fn mine(context: Arc<Context>, mut arguments: Arguments) -> Answer {
    Box::pin(async move {
        let blocks: u32 = arguments.optional(0)?.unwrap_or(1);
        check_count(blocks)?;
        let tip = context.chain().tip().number();
        mine_to(&context, tip.saturating_add(blocks)).await
    })
}

/// Makes blocks up to number `target`.
async fn mine_to(context: &Context, target: u32) -> RpcResult {
    let blocks = target.saturating_sub(context.chain().tip().number());
    check_count(blocks)?;
    let mut missing = blocks;
    loop {
        let slice = missing.min(SLICE_BLOCKS);
        let tip = sequencer(context)?.mine(slice).await;
        let tip = tip.map_err(|error| error::local(with_earlier_blocks(error, blocks - missing)))?;
        // Others may have made blocks since the last slice, or gone back.
        missing = (missing - slice).min(target.saturating_sub(tip.number()));
        if missing == 0 {
            return Ok(tip_json(&tip));
        }
    }
}

fn check_count(blocks: u32) -> RpcResult<()> {
    match blocks > MAX_BLOCKS {
        true => {
            Err(limit_exceeded(format!("{blocks} blocks were asked for; make at most {MAX_BLOCKS} at once")))
        }
        false => Ok(()),
    }
}

fn with_earlier_blocks(error: LocalError, earlier: u32) -> LocalError {
    match error {
        LocalError::ShuttingDown { blocks } => LocalError::ShuttingDown { blocks: earlier + blocks },
        error => error,
    }
}

/// Makes the chain's time `ms`, milliseconds since the Unix epoch, from where it goes on; answers that time.
fn set_time(context: Arc<Context>, mut arguments: Arguments) -> Answer {
    Box::pin(async move {
        let time_ms: u64 = arguments.required(0)?;
        sequencer(&context)?.set_time(time_ms).await.map_err(error::local)?;
        Ok(json!(time_ms))
    })
}

/// Moves the chain's time forward by `ms` milliseconds; answers how far it is ahead of the wall clock.
fn increase_time(context: Arc<Context>, mut arguments: Arguments) -> Answer {
    Box::pin(async move {
        let by_ms: u64 = arguments.required(0)?;
        let ahead_ms = sequencer(&context)?.increase_time(by_ms).await.map_err(error::local)?;
        Ok(json!(ahead_ms))
    })
}

/// Makes blocks up to the one in which the subnet's next epoch runs; answers that block.
fn next_epoch(context: Arc<Context>, mut arguments: Arguments) -> Answer {
    Box::pin(async move {
        let netuid: u16 = arguments.required(0)?;
        let reader = Arc::clone(&context);
        let block = context
            .workshop
            .run(Cost::Call, Client::Server, move || next_epoch_block(&reader, netuid))
            .await??;
        mine_to(&context, block).await
    })
}

fn next_epoch_block(context: &Context, netuid: u16) -> RpcResult<u32> {
    let state = context.state(None)?;
    let ask = |function| context.call(&state, function, &netuid.encode());
    let account: Option<AccountId> = decode(SUBNET_ACCOUNT, &ask(SUBNET_ACCOUNT)?)?;
    let next: Option<u64> = decode(NEXT_EPOCH, &ask(NEXT_EPOCH)?)?;
    let Some((_, next)) = account.zip(next) else {
        return Err(development(format!(
            "subnet {netuid} has no next epoch: it does not exist, or its tempo is 0"
        )));
    };
    // One that is overdue runs in the next block.
    let next = next.max(u64::from(state.number()) + 1);
    Ok(u32::try_from(next).unwrap_or(u32::MAX))
}

/// Notes the present state; answers the id to go back to it with.
fn snapshot(context: Arc<Context>, _: Arguments) -> Answer {
    Box::pin(async move {
        let SnapshotId(id) = sequencer(&context)?.snapshot().await.map_err(error::local)?;
        Ok(json!(id))
    })
}

/// Goes back to a snapshot, which is used up by that; answers the new tip.
fn revert(context: Arc<Context>, mut arguments: Arguments) -> Answer {
    Box::pin(async move {
        let id = SnapshotId(arguments.required(0)?);
        let tip = sequencer(&context)?.revert(id).await.map_err(error::local)?;
        Ok(tip_json(&tip))
    })
}

/// Writes the whole chain to a new file; answers how large it is.
fn dump(context: Arc<Context>, mut arguments: Arguments) -> Answer {
    Box::pin(async move {
        let path = path(&mut arguments)?;
        let bytes = sequencer(&context)?.dump().await.map_err(error::local)?;
        let size = bytes.len();
        let shown = path.display().to_string();
        context.workshop.read(move || write_new(&path, &bytes)).await?.map_err(|error| {
            development(format!(
                "the dump cannot be written to {shown}: {error}; name a new file that the node may create"
            ))
        })?;
        Ok(json!({ "path": shown, "bytes": size }))
    })
}

/// Replaces the whole chain by a dump; answers the new tip.
fn load(context: Arc<Context>, mut arguments: Arguments) -> Answer {
    Box::pin(async move {
        let path = path(&mut arguments)?;
        let shown = path.display().to_string();
        let bytes = context.workshop.read(move || read_whole(&path)).await?.map_err(|error| {
            development(format!(
                "the dump {shown} cannot be read: {error}; the path is one on the node's machine"
            ))
        })?;
        let tip = sequencer(&context)?.load(bytes).await.map_err(error::local)?;
        Ok(tip_json(&tip))
    })
}

fn path(arguments: &mut Arguments) -> RpcResult<PathBuf> {
    let path = PathBuf::from(arguments.required::<String>(0)?);
    match path.is_absolute() {
        true => Ok(path),
        false => Err(development(
            "expected an absolute path on the node's machine, because the node has its own working directory",
        )),
    }
}

/// Existing files are left alone: whoever reaches the port could otherwise destroy any file of the node's user.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // A cut-off dump is of no use; the error that led here is the one to report.
        let _ = fs::remove_file(path);
    }
    written
}

fn read_whole(path: &Path) -> std::io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() || found.len() > MAX_DUMP_BYTES {
        let limit = MAX_DUMP_BYTES >> 30;
        return Err(std::io::Error::other(format!("it is not a file of at most {limit} GiB")));
    }
    dump_in(File::open(path)?)
}

/// Anybody can name any file, and few are worth the memory, so what does not start as a dump is not read on.
fn dump_in(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut source = source.take(MAX_DUMP_BYTES);
    let mut bytes = Vec::new();
    source.by_ref().take(DUMP_MAGIC.len() as u64).read_to_end(&mut bytes)?;
    if bytes != DUMP_MAGIC {
        return Err(std::io::Error::other("it does not start as a dump does"));
    }
    source.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::{dump_in, DUMP_MAGIC, METHODS};

    /// Counts what is read of it.
    struct Counted<R>(R, usize);

    impl<R: Read> Read for Counted<R> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(into)?;
            self.1 += count;
            Ok(count)
        }
    }

    #[test]
    fn only_dumps_are_read_to_their_end() {
        let mut other = Counted(io::repeat(0), 0);
        assert!(dump_in(&mut other).is_err());
        assert_eq!(other.1, DUMP_MAGIC.len());
        let dump = [&DUMP_MAGIC[..], &[7; 100_000]].concat();
        assert_eq!(dump_in(&dump[..]).unwrap(), dump);
        assert!(dump_in(&DUMP_MAGIC[..3]).is_err());
    }

    /// What the document's rows begin with.
    fn documented() -> Vec<&'static str> {
        let text = include_str!("../../../../docs/development.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| row.split('`').next()).collect()
    }

    #[test]
    fn the_document_lists_all_of_them() {
        let signature = |method: &super::Method| {
            let parameters: Vec<_> =
                method.parameters.iter().filter_map(|names| names.first().copied()).collect();
            format!("{}({})", method.name, parameters.join(", "))
        };
        assert_eq!(documented(), METHODS.iter().map(signature).collect::<Vec<_>>());
    }
}
