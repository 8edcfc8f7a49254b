//! Uploads a second: a gateway in this process on a SQLite file, and devices that send mutations to it over loopback.
//!
//! ```text
//! bench_upload [--seconds=5] [--rows=20000]
//! ```
//!
//! Prints a JSON line for each shape of load, with the ratio to the floor under it: the same rows and ledger entries
//! written by staging alone, in transactions of as many.

#![expect(clippy::unwrap_used, reason = "the organization is that of the tests, which panic")]

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use haversack_engine::ids::Lsn;
use haversack_engine::row::{RowWriter, Value};
use haversack_gateway::{Config, Gateway};
use haversack_proto::model::ConflictPolicy;
use haversack_proto::sync::upload_service_client::UploadServiceClient;
use haversack_proto::sync::{Mutation, MutationKind, MutationOutcome, UploadRequest};
use haversack_staging::{Effect, Entry, Origin, Resolution, RowId, Staging};
use prost::Message;
use serde_json::json;
use tonic::Request;
use tonic::transport::Endpoint;

use self::rules::{NAME, SCORE, organization, put_scored};
use self::world::{ACCOUNT, ADA, World, account_id};

#[path = "../../tests/it/keys.rs"]
mod keys;
#[path = "../../tests/it/upload/world.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod rules;
#[path = "../../tests/it/tokens.rs"]
mod tokens;
#[path = "../../tests/it/world.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod world;

/// Devices at once, mutations a call, and whether rows are made (or changed, those there were before).
const SHAPES: [(usize, usize, bool); 6] =
    [(1, 1, false), (64, 1, false), (512, 1, false), (8, 50, false), (8, 50, true), (2, 500, false)];

/// Rows that transactions of the floor have.
const FLOOR_ROWS: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = pico_args::Arguments::from_env();
    let seconds: u64 = arguments.opt_value_from_str("--seconds")?.unwrap_or(5);
    let rows: u32 = arguments.opt_value_from_str("--rows")?.unwrap_or(20_000);
    let world = organization(ConflictPolicy::Merge);
    world.commit(|commit| (0..rows).for_each(|number| put_scored(commit, number, ADA, "An account", 5)));
    let issuers = vec![tokens::issuer()];
    let config = Config { listen: "127.0.0.1:0".into(), plain_text: true, issuers, ..Config::default() };
    let gateway = Gateway::new(config)?;
    gateway.add_organization("contoso", Arc::clone(&world.staging) as _, false)?;
    let address = gateway.start()?;
    gateway.load_organization("contoso")?;
    let floor = floor(&world, Duration::from_secs(seconds))?;
    print(&json!({"floor_rows_per_second": floor.round()}))?;
    let clients = tokio::runtime::Runtime::new()?;
    for (devices, each, is_create) in SHAPES {
        let load = Load { each, is_create, rows, until: Instant::now() + Duration::from_secs(seconds) };
        let (done, [up, down], took) = clients.block_on(run(&format!("http://{address}"), devices, load))?;
        let rate = done as f64 / took.as_secs_f64();
        print(&json!({
            "devices": devices,
            "mutations_per_call": each,
            "kind": if is_create { "create" } else { "update" },
            "mutations_per_second": rate.round(),
            "bytes_up_per_mutation": up / done.max(1),
            "bytes_down_per_mutation": down / done.max(1),
            "of_floor": (rate / floor * 100.0).round() / 100.0,
        }))?;
    }
    gateway.stop(Duration::from_secs(1));
    Ok(())
}

/// What every device does.
#[derive(Clone, Copy)]
struct Load {
    each: usize,
    is_create: bool,
    rows: u32,
    until: Instant,
}

/// What all devices have done.
#[derive(Debug, Default)]
struct Done {
    mutations: AtomicU64,
    /// Of requests as messages.
    bytes_up: AtomicU64,
    /// Of answers as messages.
    bytes_down: AtomicU64,
}

/// Mutations that were applied, their bytes up and down, and how long it took.
async fn run(address: &str, devices: usize, load: Load) -> Result<(u64, [u64; 2], Duration), Box<dyn Error>> {
    let done = Arc::<Done>::default();
    let started = Instant::now();
    let mut tasks = Vec::new();
    for device in 0..devices {
        let channel = Endpoint::from_shared(address.to_owned())?.connect().await?;
        let client = UploadServiceClient::new(channel);
        tasks.push(tokio::spawn(write(client, device as u32, devices as u32, load, Arc::clone(&done))));
    }
    for task in tasks {
        task.await?;
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Ok((count(&done.mutations), [count(&done.bytes_up), count(&done.bytes_down)], started.elapsed()))
}

/// Writes until time is up, each device to rows of its own.
async fn write(
    mut client: UploadServiceClient<tonic::transport::Channel>,
    device: u32,
    devices: u32,
    load: Load,
    done: Arc<Done>,
) {
    let install_id = Bytes::copy_from_slice(uuid::Uuid::new_v4().as_bytes());
    let bearer: tonic::metadata::MetadataValue<_> =
        format!("Bearer {}", tokens::token(ADA)).parse().expect("a token is ASCII");
    let mut number = 0;
    while Instant::now() < load.until {
        let mutations: Vec<Bytes> = (0..load.each)
            .map(|_| {
                number += 1;
                let row = (number as u32 * devices + device) % load.rows;
                mutation(number, row, load.is_create).encode_to_vec().into()
            })
            .collect();
        let message = UploadRequest { install_id: install_id.clone(), mutations, ..UploadRequest::default() };
        done.bytes_up.fetch_add(message.encoded_len() as u64, Ordering::Relaxed);
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", bearer.clone());
        let response = client.upload(request).await.expect("the server answers").into_inner();
        done.bytes_down.fetch_add(response.encoded_len() as u64, Ordering::Relaxed);
        let answers = response.answers;
        let applied = answers.iter().filter(|answer| answer.outcome() == MutationOutcome::Applied).count();
        assert_eq!(applied, answers.len(), "{answers:?}");
        done.mutations.fetch_add(applied as u64, Ordering::Relaxed);
    }
}

fn mutation(number: u64, row: u32, is_create: bool) -> Mutation {
    let score = [(SCORE, Value::Integer(number as i64 + 100))];
    let created = [(NAME, Value::Text("A new account")), score[0]];
    let values: &[(u32, Value<'_>)] = if is_create { &created } else { &score };
    let id = if is_create { *uuid::Uuid::new_v4().as_bytes() } else { account_id(row) };
    Mutation {
        number,
        entity: ACCOUNT.0,
        id: Bytes::copy_from_slice(&id),
        kind: if is_create { MutationKind::Create } else { MutationKind::Update }.into(),
        values: payload(values).into(),
        changed: values.iter().map(|(field, _)| *field).collect(),
        ..Mutation::default()
    }
}

fn payload(values: &[(u32, Value<'_>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = RowWriter::new(&mut out);
    for (field, value) in values {
        writer.push(haversack_engine::ids::AttributeNumber(*field), value);
    }
    writer.finish();
    out
}

/// Rows a second that staging alone changes, each with an entry of the ledger.
fn floor(world: &World, time: Duration) -> Result<f64, Box<dyn Error>> {
    let (started, mut written) = (Instant::now(), 0_u64);
    let before = world.staging.begin()?.payload(ACCOUNT, &RowId::Uuid(account_id(0)))?.ok_or("an account is there")?;
    while started.elapsed() < time {
        let mut commit = world.staging.begin()?;
        for _ in 0..FLOOR_ROWS {
            written += 1;
            let values = payload(&[(SCORE, Value::Integer(written as i64))]);
            let field = haversack_engine::ids::AttributeNumber(SCORE);
            let row = haversack_engine::row::splice(&before, &[field], &values)?;
            let id = RowId::Uuid(account_id((written % 1_000) as u32));
            commit.upsert(ACCOUNT, &id, &row)?;
            let lsn = commit.drawn();
            commit.ledger().record(&entry(written, id, lsn, values))?;
        }
        commit.finish()?;
    }
    Ok(written as f64 / started.elapsed().as_secs_f64())
}

fn entry(number: u64, id: RowId, lsn: Lsn, values: Vec<u8>) -> Entry {
    Entry {
        origin: Origin { install: [9; 16], user: world::user_id(ADA), number },
        hash: [0; 16],
        entity: ACCOUNT,
        id,
        kind: MutationKind::Update.into(),
        outcome: MutationOutcome::Applied.into(),
        before: Lsn(0),
        lsn,
        answer: vec![0; 12],
        written_at_us: 0,
        received_at_us: 0,
        resolution: Resolution::Open,
        mutation: None,
        effect: Some(Effect { changed: vec![SCORE], values, ..Effect::default() }),
    }
}

fn print(line: &serde_json::Value) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{line}")
}
