//! The files that say who may sign: `allowed_signers` files and `OpenPGP` certificates, told apart
//! by what is in them.

use std::fs;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use pgp::armor::Dearmor;
use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::packet::{Packet, PacketParser, Signature, SignatureType};

use super::allowed::{self, Allowed};
use super::openpgp::Certificates;

/// The largest file of signers, in bytes.
const LARGEST: u64 = 8 << 20;
/// How an armoured certificate begins.
const ARMOUR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Who may sign.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    /// The lines of `allowed_signers` files.
    pub(super) ssh: Vec<Allowed>,
    /// The certificates of `OpenPGP`.
    pub(super) openpgp: Certificates,
    /// Whether one of the files, or a part of one, cannot be read or understood.
    pub(super) is_broken: bool,
}

impl Signers {
    /// Reads the files, anew for every call: a key that the operator takes out counts no more.
    pub(crate) fn read(files: &[PathBuf]) -> Self {
        let mut signers = Self::default();
        for file in files {
            if let Err(fault) = signers.add(file) {
                tracing::warn!(file = %file.display(), %fault, "a file of signers cannot be used");
                signers.is_broken = true;
            }
        }
        signers
    }

    fn add(&mut self, file: &Path) -> Result<(), String> {
        let found = fs::metadata(file).map_err(|error| error.to_string())?;
        if !found.is_file() || found.len() > LARGEST {
            return Err(format!("it is no file of at most {LARGEST} bytes"));
        }
        let data = fs::read(file).map_err(|error| error.to_string())?;
        // A packet of OpenPGP begins with a byte that no text begins with.
        if data.first().is_some_and(|byte| byte & 0x80 != 0) {
            return self.add_certificates(&data);
        }
        let text = String::from_utf8(data).map_err(|error| error.to_string())?;
        if !text.contains(ARMOUR) {
            self.ssh.append(&mut allowed::parse(&text)?);
            return Ok(());
        }
        for block in text.split(ARMOUR).skip(1) {
            let mut data = Vec::new();
            let mut block = Dearmor::new(BufReader::new(ARMOUR.as_bytes().chain(block.as_bytes())));
            block.read_to_end(&mut data).map_err(|error| error.to_string())?;
            self.add_certificates(&data)?;
        }
        Ok(())
    }

    /// Adds certificates, and revocations wherever they stand: one that was made in advance is a
    /// block of its own, which no reader of certificates takes for a part of one.
    fn add_certificates(&mut self, data: &[u8]) -> Result<(), String> {
        for packet in PacketParser::new(data) {
            match packet {
                Ok(Packet::Signature(signature)) if is_revocation(&signature) => {
                    self.openpgp.revocations.push(signature);
                }
                Ok(_) | Err(pgp::errors::Error::Unsupported { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        let found = SignedPublicKey::from_bytes_many(data).map_err(|error| error.to_string())?;
        for certificate in found {
            self.openpgp.all.push(certificate.map_err(|error| error.to_string())?);
        }
        Ok(())
    }
}

fn is_revocation(signature: &Signature) -> bool {
    matches!(signature.typ(), Some(SignatureType::KeyRevocation | SignatureType::SubkeyRevocation))
}

/// What is wrong with the files, for their operator.
pub(crate) fn faults(files: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let fault = |file: &PathBuf| {
        let fault = Signers::default().add(file).err()?;
        Some((file.clone(), fault))
    };
    files.iter().filter_map(fault).collect()
}
