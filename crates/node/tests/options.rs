//! Options from all places at once. One test, because the environment belongs to the whole process.

use std::{env, fs};

use clap::Parser;
use myelin_node::{History, NodeOptions, NodeSettings, OptionsError};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    node: NodeOptions,
}

fn settings(arguments: &[&str]) -> Result<NodeSettings, OptionsError> {
    let arguments = ["node"].iter().chain(arguments);
    Command::try_parse_from(arguments).unwrap().node.resolve()
}

fn refused(arguments: &[&str]) -> String {
    match Command::try_parse_from(["node"].iter().chain(arguments)) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{arguments:?} is taken"),
    }
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("myelin.toml");
    fs::write(&file, "rpc-port = 30\nhistory = 31\nrpc-address = \"0.0.0.3\"\nchain = \"spec.json\"\n")
        .unwrap();
    let config = ["--config", file.to_str().unwrap()];

    let found = settings(&config).unwrap();
    assert_eq!((found.rpc.address, found.history), ("0.0.0.3:30".parse().unwrap(), History::Blocks(31)));
    assert_eq!(found.chain, Some(directory.path().join("spec.json")));
    assert!(!found.validator);

    for (name, value) in [
        ("MYELIN_CONFIG", file.to_str().unwrap()),
        ("MYELIN_RPC_PORT", "20"),
        ("MYELIN_HISTORY", "21"),
        ("MYELIN_VALIDATOR", "1"),
        ("MYELIN_RPC_ALLOWED_ORIGIN", "https://one.example,https://two.example"),
        ("MYELIN_GOSSIP_PEERS", "/ip4/2.2.2.2/tcp/2,/ip4/2.2.2.2/tcp/3"),
    ] {
        env::set_var(name, value);
    }
    let found = settings(&[]).unwrap();
    assert_eq!((found.rpc.address, found.history), ("0.0.0.3:20".parse().unwrap(), History::Blocks(21)));
    assert_eq!((found.validator, found.gossip_peers.len()), (true, 2));
    assert_eq!(found.rpc.allowed_origins, ["https://one.example", "https://two.example"]);

    let flags = [
        "--rpc-port",
        "10",
        "--validator=false",
        "--gossip-peers",
        "/ip4/1.1.1.1/tcp/1",
        "--history",
        "archive",
        "--rpc-allowed-origin",
        "https://three.example",
        "--rpc-allowed-host",
        "one.example",
        "--rpc-allowed-host",
        "two.example",
    ];
    let found = settings(&flags).unwrap();
    assert_eq!((found.rpc.address, found.history), ("0.0.0.3:10".parse().unwrap(), History::Archive));
    assert_eq!((found.validator, found.gossip_peers.len()), (false, 1));
    assert_eq!(found.rpc.allowed_origins, ["https://three.example"]);
    assert_eq!(found.rpc.allowed_hosts, ["one.example", "two.example"]);
    assert!(settings(&["--validator"]).unwrap().validator);

    assert!(refused(&["--history", "0"]).contains("neither `archive` nor a number of blocks"));
    assert!(refused(&["--gossip-listen", "here"]).contains("--gossip-listen"));
    assert!(refused(&["--rpc-allowed-origin", "wallet.example"]).contains("write scheme and name alone"));
    env::set_var("MYELIN_RPC_PORT", "many");
    assert!(refused(&[]).contains("invalid value 'many' for '--rpc-port <PORT>'"));
    env::remove_var("MYELIN_RPC_PORT");

    let error = settings(&["--config", "/nowhere/myelin.toml"]).unwrap_err().to_string();
    assert!(error.contains("/nowhere/myelin.toml cannot be read"), "{error}");
    fs::write(&file, "# comment\nport = 1\n").unwrap();
    let error = settings(&[]).unwrap_err().to_string();
    assert!(error.contains("myelin.toml, line 2, key `port`: unknown field `port`"), "{error}");
}
