//! `stentor token`: issues a device's token, and makes the key of those to come.
//!
//! Works on a state folder, beside a server that runs on it or not. Never speaks to a server: one
//! that runs reads the keys again on SIGHUP. Called by `cli::main`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::state::{default_folder, new_secret, read_token_keys, write_token_keys};
use super::with_causes;
use crate::clock;
use crate::delivery::DeviceId;
use crate::limits::TOKEN_KEYS_MAX;

/// Arguments of `stentor token`.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The state folder of the server. Default: as `stentor serve`.
    #[arg(long, value_name = "FOLDER", global = true)]
    state: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a token as 82 hexadecimal digits: it opens sessions as the device until it expires.
    Issue {
        /// The device, 32 hexadecimal digits. All zero is the operator.
        #[arg(long, value_name = "DEVICE", value_parser = device)]
        device: DeviceId,
        /// For how many hours it is good, from 1.
        #[arg(long, value_name = "HOURS", default_value_t = 24)]
        hours: u32,
    },
    /// Make a new key that signs from now on. Tokens under the keys before it stay good until they
    /// expire; send the server a SIGHUP. A server with a --token-key of its own reads that file
    /// instead, which this does not change.
    Rotate {
        /// How many of the keys before it stay good, at most 7. With 0 every token issued so far
        /// is worthless.
        #[arg(long, value_name = "KEYS", default_value_t = TOKEN_KEYS_MAX - 1)]
        keep: usize,
    },
}

fn device(text: &str) -> Result<DeviceId, String> {
    let mut bytes = [0; 16];
    let digits = hex::decode_to_slice(text, &mut bytes);
    digits.map(|()| DeviceId(bytes)).map_err(|error| format!("32 hexadecimal digits: {error}"))
}

/// Does what was asked. Exit code 0; 1 and one line on standard error when it cannot.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match act(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr().lock(), "stentor token: {}", with_causes(&error)));
            ExitCode::from(1)
        }
    }
}

fn act(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = arguments.state.clone().map_or_else(default_folder, Ok)?;
    let mut keys = read_token_keys(&folder)?;
    let said = match arguments.command {
        Command::Issue { device, hours } => {
            let not_after = clock::unix() + Duration::from_hours(u64::from(hours.max(1)));
            hex::encode(keys.signing().issue(device, not_after.as_secs()).to_bytes())
        }
        Command::Rotate { keep } => {
            keys.rotate(&new_secret()?, keep);
            write_token_keys(&folder, &keys)?;
            let id = keys.signing().id();
            format!("key {id} signs; a server that runs reads it on SIGHUP")
        }
    };
    writeln!(io::stdout().lock(), "{said}").context("cannot write to standard output")
}
