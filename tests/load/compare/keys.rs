//! Keys, certificates and tokens of the measurement.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::authority::{Authority, Identity};
use super::signer::{Signer, jwks};

/// A folder with everything that somebody needs to show who they are.
pub(crate) struct Keys {
    pub(crate) folder: PathBuf,
    rsa: Signer,
    p256: Signer,
    /// Seconds since the Unix epoch.
    now: i64,
}

/// Which key signs a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
}

impl Keys {
    /// Makes all of it, with a certificate for each of the devices.
    pub(crate) fn make(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let authority = Authority::new("Compare");
        let write = |name: &str, text: &str| super::place::private(&folder.join(name), text);
        write("ca.pem", &authority.pem());
        let Identity { chain, key } = authority.server(["bench.test", "*.bench.test"]);
        write("server.pem", &chain);
        write("server.key", &key);
        write("server.both.pem", &format!("{chain}{key}"));
        for device in 0..DEVICES {
            let Identity { chain, key } = authority.device(&device_name(device), 1000 + device as u64, 30);
            write(&format!("device-{device}.pem"), &chain);
            write(&format!("device-{device}.key"), &key);
        }
        let (rsa, p256) = (Signer::rsa("rs256"), Signer::es256("es256"));
        write("jwks.json", &jwks([rsa.jwk(), p256.jwk()]));
        write("rs256.pem", &rsa.public_pem);
        write("es256.pem", &p256.public_pem);
        let now = sekisho::clock::Clock::system().now().as_secs();
        Self { folder: folder.to_owned(), rsa, p256, now }
    }

    /// A file with header lines of so many good tokens, none of them twice.
    pub(crate) fn tokens(&self, name: &str, algorithm: Algorithm, count: usize) -> PathBuf {
        let first = self.folder.join(name);
        let lines = (0..count).map(|number| self.line(algorithm, &json!({ "jti": format!("{name}-{number:08}") }), number));
        std::fs::write(&first, lines.collect::<String>()).unwrap();
        first
    }

    /// Tokens that have to be refused, with their names, one in each file.
    pub(crate) fn bad(&self, algorithm: Algorithm) -> Vec<(&'static str, PathBuf)> {
        let lies = [
            ("audience", json!({ "aud": "another" })),
            ("expiry", json!({ "iat": self.now - 7200, "nbf": self.now - 7200, "exp": self.now - 3600 })),
            ("role", json!({ "role": "guest" })),
        ];
        let lies = lies.map(|(name, claims)| (name, self.line(algorithm, &claims, 0)));
        let good = self.line(algorithm, &json!({}), 0);
        // One character in the middle of the signature.
        let dot = good.rfind('.').unwrap();
        let (before, after) = good.split_at(dot + 20);
        let other = if after.starts_with('A') { "B" } else { "A" };
        let forged = ("signature", format!("{before}{other}{}", after.chars().skip(1).collect::<String>()));
        let files = lies.into_iter().chain([forged]);
        let write = |(name, line): (&'static str, String)| {
            let file = self.folder.join(format!("bad-{name}-{algorithm:?}"));
            std::fs::write(&file, line).unwrap();
            (name, file)
        };
        files.map(write).collect()
    }

    fn line(&self, algorithm: Algorithm, claims: &Value, number: usize) -> String {
        let user = user(number);
        let all = json!({
            "iss": ISSUER, "sub": user, "aud": AUDIENCE, "iat": self.now, "nbf": self.now, "exp": self.now + 86_400,
            "role": "admin", "scope": "read write", "email": format!("{user}@corp.example"), "jti": format!("{number:016x}"),
        });
        let signer = match algorithm {
            Algorithm::Rs256 => &self.rsa,
            Algorithm::Es256 => &self.p256,
        };
        format!("Authorization: Bearer {}\n", signer.sign(&super::signer::changed(&all, claims)))
    }
}

/// Device N is user N's, who has no other.
pub(crate) fn user(number: usize) -> String {
    format!("user-{:05}", number % DEVICES)
}

/// What certificate N says; the gate takes the last part of it for the name.
pub(crate) fn device_name(number: usize) -> String {
    format!("spiffe://compare/device-{number}")
}

/// Devices that have certificates.
pub(crate) const DEVICES: usize = 32;
pub(crate) const ISSUER: &str = "https://issuer.bench.test";
pub(crate) const AUDIENCE: &str = "compare";
