//! `oauth-doctor`: probes an OAuth 2.0 authorization server with the client-credentials grant, reports
//! what it finds, and prints the Rust lines and environment variables to use.
//!
//! Its chapter in the crate's documentation is `docs::doctor`.

mod args;
mod credential;
mod demo;
mod environment;
mod exit;
mod lines;
mod method;
mod probe;
mod recipe;
mod report;
mod secrets;

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Parser as _;

use crate::{
    args::{Args, Color},
    credential::Credential,
    exit::Exit,
    report::{Report, human, human::Painter, json},
};

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime
        .map_err(|error| format!("the runtime cannot be started: {error}"))
        .and_then(|runtime| runtime.block_on(run(args)));
    match result {
        Ok(exit) => exit.into(),
        Err(problem) => {
            let _ = writeln!(io::stderr(), "oauth-doctor: {problem}");
            Exit::Usage.into()
        }
    }
}

/// # Errors
///
/// What is wrong with the arguments.
async fn run(mut args: Args) -> Result<Exit, String> {
    let _demo = match args.demo {
        true => Some(demo::start(&mut args).await.map_err(|error| format!("--demo: {error}"))?),
        false => None,
    };
    let credential = Credential::read(&args)?;
    if args.thorough && !is_confirmed(&args) {
        return Err("declined; nothing was sent".to_owned());
    }
    let report = probe::run(&args, credential).await;
    let written = io::stdout().write_all(render(&args, &report).as_bytes());
    match written {
        // The reader, such as `head`, has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(
                io::stderr(),
                "oauth-doctor: the report cannot be written: {error}; check standard output"
            );
            Ok(Exit::NotWritten)
        }
        _ => Ok(report.exit),
    }
}

fn render(args: &Args, report: &Report) -> String {
    if args.json {
        return json::render(report);
    }
    let has_colors = match args.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
            let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
            io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
        }
    };
    human::render(report, Painter { has_colors })
}

/// Warns before many token requests. A person at a terminal must agree.
fn is_confirmed(args: &Args) -> bool {
    let mut stderr = io::stderr();
    let _ = writeln!(
        stderr,
        "oauth-doctor: warning: --thorough sends up to {} token requests. Failed logins may lock the \
         account, and on some servers a second token ends the first.",
        probe::THOROUGH_TOKEN_REQUESTS
    );
    if args.yes || args.demo || !io::stdin().is_terminal() {
        return true;
    }
    let _ = write!(stderr, "Continue? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
