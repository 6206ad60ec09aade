//! The operator's pages of `tests/walkthroughs`, run as they stand: every block in one shell, in order, and what is shown below a
//! block must be among what it said.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use crate::federation::Federation;

/// Seconds for a whole page; nothing is measured by it.
const PATIENCE_SECONDS: u32 = 300;

/// Commands and, below them, lines that they must say.
struct Block {
    commands: String,
    shown: Vec<String>,
}

#[test]
fn members_and_keys() {
    walk("members.md");
}

fn walk(page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/walkthroughs").join(page);
    let mut text = std::fs::read_to_string(path).unwrap();
    // The page names ports that are free on a machine of its own; several tests share this one.
    let ports: Vec<TcpListener> = (0..8).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    for (at, port) in ports.iter().enumerate() {
        let named = 8101 + at % 4 + 100 * (at / 4);
        text = text.replace(&named.to_string(), &port.local_addr().unwrap().port().to_string());
    }
    drop(ports);
    let blocks = read(&text);
    let stage = Federation::bare();
    let mut script = "set -uo pipefail\nset -E\ntrap 'echo failed: $BASH_COMMAND; exit 1' ERR\n\
                      trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
        .to_owned();
    for (at, block) in blocks.iter().enumerate() {
        script.push_str(&format!("echo '== block {at}'\n{}\n", block.commands));
    }
    let program = Path::new(env!("CARGO_BIN_EXE_comity")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut command = stage.under("timeout", &["--kill-after=5", &PATIENCE_SECONDS.to_string(), "bash", "-s"]);
    command.env("PATH", path).env("COMITY_LOG", "error").current_dir(stage.home());
    let said = stage.file("said", "");
    let out = std::fs::File::create(&said).unwrap();
    command.stdin(Stdio::piped()).stderr(out.try_clone().unwrap()).stdout(out);
    let mut shell = command.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let ended = shell.wait().unwrap();
    let said = std::fs::read_to_string(&said).unwrap();
    assert!(ended.success(), "{page} ended badly:\n{said}");
    let mut parts = said.split("== block ").skip(1);
    for (at, block) in blocks.iter().enumerate() {
        let part = parts.next().unwrap_or_default();
        for shown in &block.shown {
            assert!(part.contains(shown), "block {at} of {page} did not say `{shown}`, but:\n{part}");
        }
    }
}

fn read(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        match (fence, line) {
            (None, "```sh") => {
                blocks.push(Block { commands: String::new(), shown: Vec::new() });
                fence = Some("sh");
            }
            (None, "```text") => fence = Some("text"),
            (Some(_), "```") => fence = None,
            (Some("sh"), line) => blocks.last_mut().unwrap().commands.push_str(&format!("{line}\n")),
            (Some(_), line) => blocks.last_mut().unwrap().shown.push(line.to_owned()),
            (None, _) => {}
        }
    }
    assert!(
        blocks.iter().filter(|block| !block.shown.is_empty()).count() > 2,
        "a page that shows nothing proves nothing"
    );
    blocks
}
