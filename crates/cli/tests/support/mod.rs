//! The program as a person or a script uses it: started as a process, read through its output.

#![allow(dead_code)]

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{json, Value};

/// The program under test, alone with its wallets.
pub fn myelin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_myelin"));
    command.env_remove("MYELIN_NODE").env_remove("MYELIN_WALLET_PASSWORD").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Output {
    myelin().args(arguments).output().expect("the program starts")
}

/// The document that a command prints; the command must succeed.
pub fn document(arguments: &[&str]) -> Value {
    let output = run(&[&["--json"], arguments].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{stderr}", output.status);
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

/// What a command says on standard error; the command must fail, and not by a panic.
pub fn failure(arguments: &[&str]) -> String {
    failed(arguments, &run(arguments))
}

fn failed(arguments: &[&str], output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?} should fail: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

/// The program in a shell that lets no file grow beyond `blocks` of 512 bytes; more fails as on a full disk.
pub fn limited(blocks: u64) -> Command {
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_myelin")]);
    command.env_remove("MYELIN_NODE").env_remove("MYELIN_WALLET_PASSWORD").stdin(Stdio::null());
    command
}

/// What a command says that can write nothing; it must fail for that.
pub fn without_room(arguments: &[&str]) -> String {
    failed(arguments, &limited(0).args(arguments).output().expect("a shell"))
}

/// A development chain that runs as a process; killed without notice when dropped.
pub struct Chain {
    process: Child,
    pub url: String,
}

impl Chain {
    /// A node that adds up all money after every block.
    pub fn start(arguments: &[&str]) -> Self {
        Self::started_by(myelin(), &[&["--audit"], arguments].concat())
    }

    /// `program` starts a node when it gets a node's arguments.
    pub fn started_by(mut program: Command, arguments: &[&str]) -> Self {
        let mut process = program
            .args(["dev", "--json", "--rpc-port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = process.stdout.take().expect("its output is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: `{line}`"));
        Self { process, url: ready["rpc"].as_str().expect("an address").to_owned() }
    }

    pub fn on_disk(base_path: &Path, block_time: &str) -> Self {
        let path = base_path.to_str().expect("a path of text");
        Self::start(&["--base-path", path, "--block-time", block_time])
    }

    /// Runs a command against this chain; it must succeed.
    pub fn ask(&self, arguments: &[&str]) -> Value {
        document(&[&["--node", &self.url], arguments].concat())
    }

    /// Runs a command against this chain; it must fail.
    pub fn refuses(&self, arguments: &[&str]) -> String {
        failure(&[&["--node", &self.url], arguments].concat())
    }

    /// The answer to one JSON-RPC request, result or error.
    pub fn request(&self, method: &str, parameters: &Value) -> std::io::Result<Value> {
        let address = self.url.strip_prefix("ws://").expect("a WebSocket address");
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters }).to_string();
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, document) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        Ok(serde_json::from_str(document)?)
    }

    /// The status line of the answer to a request that comes as from a web page, addressed by some name.
    pub fn status_for(&self, host: &str, origin: &str) -> String {
        let address = self.url.strip_prefix("ws://").expect("a WebSocket address");
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "system_name" }).to_string();
        let mut stream = TcpStream::connect(address).expect("it listens");
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer.lines().next().unwrap_or_default().to_owned()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for a node that ends by itself; returns its exit code and what it said on standard error, if that was piped.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut words = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            stderr.read_to_string(&mut words).expect("text");
        }
        (self.process.wait().expect("it is ours").code(), words)
    }

    /// The signal that no process can prepare for.
    pub fn kill(mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it has ended");
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
