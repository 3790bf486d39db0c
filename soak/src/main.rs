//! A service under load for minutes, while the network and the servers around it fail.
//!
//! `soak SECONDS DIRECTORY` is the driver. It starts this program again as the service under test, the
//! authorization server and the API. `docs/soak.md` has the method.

mod certificates;
mod driver;
mod faults;
mod gate;
mod load;
mod processes;
mod proxy;
mod report;
mod servers;
mod service;

use std::{env, process::ExitCode};

use tokio::signal::{
    ctrl_c,
    unix::{SignalKind, signal},
};

/// The errors of all parts. Each ends the run.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match *words {
        ["service", directory] => service::run(directory.as_ref()).await.map(|()| true),
        ["authorization-server", directory, port] => {
            servers::authorization_server(directory.as_ref(), port).await.map(|()| true)
        }
        ["api", directory, port] => servers::api(directory.as_ref(), port).await.map(|()| true),
        // Dropping the driver's future kills the child processes. A signal alone would leave them running.
        [seconds, directory] => tokio::select! {
            ended = driver::run(seconds, directory.as_ref()) => ended,
            signal = terminated() => Err(signal),
        },
        _ => Err("usage: soak SECONDS DIRECTORY, see .ci/soak".into()),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", words.first().unwrap_or(&"soak"));
            ExitCode::FAILURE
        }
    }
}

/// Waits for a signal that ends the run.
async fn terminated() -> Failure {
    let mut signals = match signal(SignalKind::terminate()) {
        Ok(signals) => signals,
        Err(error) => return error.into(),
    };
    tokio::select! {
        _ = signals.recv() => "terminated".into(),
        _ = ctrl_c() => "interrupted".into(),
    }
}
