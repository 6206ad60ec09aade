//! How a weighty act is done: the node says what is to be signed, the key that is in this folder signs it, the node takes it.

use std::path::Path;

use super::read::answered;
use super::{CliError, confirm};
use crate::acts::{self, Act, ActError, Held};
use crate::client::Client;
use crate::config::Folder;
use crate::fence::Fence;
use crate::keeper::{Keeper, now_ms};
use crate::keystore::{self, KeyName, Secrets};
use crate::passphrase::Passphrases;
use crate::signing::{Reading, Signed};

/// Asks for an act, signs it with the key in this folder, and hands it in.
pub fn perform(folder: &Folder, passphrases: &mut Passphrases, act: &Act, yes: bool) -> Result<(), CliError> {
    let request = asked(folder, act)?;
    let reading = Reading::of(&request).map_err(CliError::wrong)?;
    confirm(&reading.words, yes)?;
    let signed = sign(folder, passphrases, &request, &reading)?;
    hand_in(folder, &signed)?;
    if reading.rotates() { adopt_successor(folder) } else { Ok(()) }
}

/// The request for an act, from the node that runs on the folder or from the folder itself.
pub fn asked(folder: &Folder, act: &Act) -> Result<acts::Request, CliError> {
    if let Some(client) = Client::find(folder) {
        let made = client.post("/v1/governance/requests", act).map_err(answered)?;
        return made.ok_or_else(|| CliError::failed("the node gave no request; ask again"));
    }
    let (keeper, config, _) = Keeper::open(folder).map_err(CliError::failed)?;
    let code = config.member.map(|member| member.code).ok_or(ActError::NoMember).map_err(CliError::wrong)?;
    let (view, reader) = (keeper.view(), keeper.reader());
    let held = Held { standing: &view.standing, frontier: &view.frontier, contested: &view.contested, reader: &reader };
    let made = acts::Request::make(&held, &code, act).map_err(CliError::wrong);
    keeper.close().map_err(CliError::failed)?;
    made
}

/// Signs a request with the keys in this folder.
pub fn sign(
    folder: &Folder,
    passphrases: &mut Passphrases,
    request: &acts::Request,
    reading: &Reading,
) -> Result<Signed, CliError> {
    let data = folder.path();
    let mut secrets = Secrets::of(data, passphrases);
    let mut open = |name: KeyName| {
        let key = secrets.open(name).map_err(CliError::failed)?;
        let missing = format!(
            "{} is not here; ask for a file with `comity key request` and sign it where the key is",
            name.path(data).display()
        );
        key.ok_or_else(|| CliError::wrong(missing))
    };
    let keys = data.join("keys");
    if !reading.rotates() {
        return reading.sign(&open(KeyName::Identity)?, &keys, now_ms()).map_err(CliError::wrong);
    }
    let (identity, successor) = (open(KeyName::Identity)?, open(KeyName::Successor)?);
    if identity.public().to_string() != request.log {
        return Err(CliError::wrong(format!(
            "the request is for identity key {}, and the key here is {}; find the folder with the right one",
            request.log,
            identity.public()
        )));
    }
    reading.succeeds(&successor.public()).map_err(CliError::wrong)?;
    let next = keystore::create_like(data, KeyName::Next, KeyName::Successor, passphrases).map_err(CliError::failed)?;
    reading.rotate(&successor, &next.public(), &keys, now_ms()).map_err(CliError::wrong)
}

/// Hands in what was signed, to the node that runs on the folder or into the folder itself.
pub fn hand_in(folder: &Folder, signed: &Signed) -> Result<(), CliError> {
    match Client::find(folder) {
        Some(client) => drop(client.post::<()>("/v1/governance/runs", signed).map_err(answered)?),
        None => {
            let chunk = signed.chunk().map_err(CliError::wrong)?;
            let (mut keeper, _, _) = Keeper::open(folder).map_err(CliError::failed)?;
            // Unspoken until the node runs: the effects are dropped here, and sync tells everyone.
            keeper.submit(chunk).map_err(CliError::wrong)?;
            keeper.close().map_err(CliError::failed)?;
        }
    }
    signed.words.iter().for_each(|words| println!("done: {words}"));
    Ok(())
}

/// The public half of a new desk key, which waits in the folder until it is delegated; the one that an earlier attempt made, if any.
pub fn new_desk(folder: &Folder, passphrases: &mut Passphrases) -> Result<String, CliError> {
    let made = keystore::create_like(folder.path(), KeyName::NextDesk, KeyName::Desk, passphrases);
    let public = made.map_err(CliError::failed)?.public();
    fence(folder)?.create(&public).map_err(CliError::failed)?;
    Ok(public.to_string())
}

/// The new desk key takes its place in the folder, once it is delegated.
pub fn adopt_desk(folder: &Folder) -> Result<(), CliError> {
    keystore::replace(folder.path(), KeyName::Desk, KeyName::NextDesk).map_err(CliError::failed)?;
    println!(
        "the new desk key is {}; start the node again to publish with it",
        KeyName::Desk.path(folder.path()).display()
    );
    Ok(())
}

/// The successor key takes the place of the identity key, and the next one that of the successor.
pub fn adopt_successor(folder: &Folder) -> Result<(), CliError> {
    let data: &Path = folder.path();
    let successor = keystore::find(data, KeyName::Successor).map_err(CliError::failed)?;
    if let (Some(public), true) = (successor.and_then(|key| key.public()), folder.config_file().exists()) {
        fence(folder)?.create(&public).map_err(CliError::failed)?;
    }
    keystore::replace(data, KeyName::Identity, KeyName::Successor).map_err(CliError::failed)?;
    keystore::replace(data, KeyName::Successor, KeyName::Next).map_err(CliError::failed)?;
    println!("{} is the key that took over", KeyName::Identity.path(data).display());
    println!(
        "move {} to a memory stick in a safe: it is the only key that can replace this one",
        KeyName::Successor.path(data).display()
    );
    Ok(())
}

/// The marks of the folder's own logs.
fn fence(folder: &Folder) -> Result<Fence, CliError> {
    let config = folder.config().map_err(CliError::failed)?;
    let marks = folder.state_dir(&config).map_err(CliError::failed)?;
    Fence::open(&marks, folder.path()).map_err(CliError::failed)
}
