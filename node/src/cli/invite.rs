//! `comity invite`: what a newcomer needs to find the federation, as a line and as a code for a camera.

use clap::Args;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::{CliError, Data};
use crate::client::Client;
use crate::invitation::{ADDRESSES_MAX, Invitation};
use crate::keystore::{self, KeyName};
use crate::network;
use crate::passphrase::{Passphrases, Source};
use crate::views;

/// The options.
#[derive(Debug, Args)]
pub struct Invite {
    #[command(flatten)]
    data: Data,
    /// Print the line alone
    #[arg(long)]
    text: bool,
}

impl Invite {
    /// Prints it.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let config = folder.config().map_err(CliError::failed)?;
        let federation = folder.charter().map_err(CliError::failed)?.id();
        let mut peers = Vec::new();
        // The peer key is plain: nobody has to be asked.
        let key = keystore::find(folder.path(), KeyName::Peer).map_err(CliError::failed)?;
        let key = key.map(|mut key| key.open(&mut Passphrases::new(Source::Nowhere))).transpose();
        if let Some(key) = key.map_err(CliError::failed)? {
            let suffix = format!("/p2p/{}", network::peer_id(&key).map_err(CliError::failed)?);
            let whole = |address: &String| format!("{}{suffix}", address.strip_suffix(&suffix).unwrap_or(address));
            peers.extend(config.network.announce.iter().map(whole));
        }
        if peers.is_empty()
            && let Some(client) = Client::find(&folder)
        {
            let status: views::Status = client.get("/v1/status").map_err(CliError::failed)?;
            peers.extend(status.listen);
        }
        peers.extend(config.network.peers);
        peers.truncate(ADDRESSES_MAX);
        if peers.is_empty() {
            return Err(CliError::wrong(
                "there is no address to call: start the node, or say in comity.toml under which addresses others reach it (announce)",
            ));
        }
        let invitation = Invitation { federation, peers }.to_string();
        if !self.text {
            let code = QrCode::new(&invitation).map_err(CliError::failed)?;
            println!("{}", code.render::<Dense1x2>().build());
        }
        println!("{invitation}");
        if !self.text {
            println!("next, on the newcomer's machine: comity join --data DIR '{invitation}'");
            println!(
                "nothing in it is secret; read the first and last digits of the id to each other over the telephone"
            );
        }
        Ok(())
    }
}
