//! The command line.

use haversack_proto::sync::Compression;

use crate::Failure;

/// What the harness should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// First syncs, one after the other.
    Sync,
    /// Many live streams at once.
    Live,
}

/// Everything that the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) command: Command,
    /// As "http://host:port".
    pub(crate) endpoint: String,
    /// A bearer token.
    pub(crate) token: String,
    /// Compressions to offer.
    pub(crate) accept: Vec<Compression>,
    /// First syncs to do.
    pub(crate) repeat: usize,
    /// Live streams to open.
    pub(crate) streams: usize,
    /// How many of them share a connection.
    pub(crate) streams_per_connection: usize,
}

impl Arguments {
    /// Reads the command line without the program's name.
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut words = pico_args::Arguments::from_vec(words.map(Into::into).collect());
        let command = match words.subcommand()?.as_deref() {
            Some("sync") => Command::Sync,
            Some("live") => Command::Live,
            _ => return Err("say what to do: sync or live".into()),
        };
        let zstd = words.contains("--zstd");
        let arguments = Self {
            command,
            endpoint: words.value_from_str("--endpoint")?,
            token: words.value_from_str("--token")?,
            accept: if zstd { vec![Compression::Zstd] } else { Vec::new() },
            repeat: words.opt_value_from_str("--repeat")?.unwrap_or(1),
            streams: words.opt_value_from_str("--streams")?.unwrap_or(1_000),
            streams_per_connection: words.opt_value_from_str("--streams-per-connection")?.unwrap_or(100).max(1),
        };
        match words.finish().first() {
            None => Ok(arguments),
            Some(word) => Err(format!("{} means nothing here", word.display()).into()),
        }
    }
}
