//! `sekisho enroll --renew`.

use serde_json::json;

use super::install::Installed;
use super::{EnrollCommand, roots};
use crate::clock::Clock;
use crate::commands::error::CommandError;
use crate::commands::output::{plain, print, print_json};
use crate::enrol::client::{self, CERTIFICATE, KEY, Kept, KeyKind, PASSWORD, PKCS12, Renewal, Renewed};

impl EnrollCommand {
    /// Renews, and says what to do next; or that there is nothing to do.
    pub(super) async fn renew_with(self, clock: &Clock) -> Result<(), CommandError> {
        self.no_browser_has_a_tpm()?;
        let roots = self.ca.as_deref().map(roots).transpose()?;
        let (gate, place) = (self.gate.clone(), self.place());
        let renewal = Renewal { folder: &self.out, gate, roots, place, force: self.force };
        let renewed = client::renew(renewal, clock).await.map_err(CommandError::failed)?;
        // The files for browsers stay until every browser has what is in them: the last time, one may not have got it.
        let wanted = self.install
            && (matches!(renewed, Renewed::Done(_)) || client::has_packed(&self.out).map_err(CommandError::failed)?);
        let installed = if wanted { Some(self.installed().await?) } else { None };
        if self.json {
            print_json(&self.renewed_json(&renewed, installed.as_ref()))?;
        } else {
            print(&self.renewed(&renewed, installed.as_ref()))?;
        }
        installed.map_or(Ok(()), |installed| installed.verdict())
    }

    fn renewed(&self, renewed: &Renewed, installed: Option<&Installed>) -> String {
        let show = |name: &str| plain(&self.out.join(name).display().to_string());
        let (Renewed::NotDue(kept) | Renewed::Done(kept)) = renewed;
        let browsers = installed.map_or_else(
            || {
                if kept.key_kind == KeyKind::Tpm {
                    return "Browsers cannot use a key that is in a TPM.\n".to_owned();
                }
                format!(
                    "For browsers: import {p12}, then take the older certificate out; its password is in {password}\n    \
                     (after that, delete both)\n",
                    p12 = show(PKCS12),
                    password = show(PASSWORD),
                )
            },
            Installed::words,
        );
        match renewed {
            Renewed::NotDue(Kept { device, not_after, due_at, .. }) => format!(
                "{nothing}: the certificate of `{device}` is good until {not_after}, and is renewed from {due_at} on\n\
                 (--force renews it now).\n\
                 {browsers}",
                nothing = if installed.is_some() { "Nothing to renew" } else { "Nothing to do" },
                browsers = installed.map(Installed::words).unwrap_or_default(),
            ),
            Renewed::Done(Kept { device, not_after, key_fingerprint, .. }) => format!(
                "Renewed: the certificate of `{device}` is good until {not_after}. Fingerprint of its new key:\n\n    \
                 {key_fingerprint}\n\n\
                 Key and certificate: {key}, {cert}\n\
                 {browsers}",
                key = show(KEY),
                cert = show(CERTIFICATE),
            ),
        }
    }

    fn renewed_json(&self, renewed: &Renewed, installed: Option<&Installed>) -> serde_json::Value {
        let (Renewed::NotDue(kept) | Renewed::Done(kept)) = renewed;
        json!({
            "device": kept.device,
            "renewed": matches!(renewed, Renewed::Done(_)),
            "key_fingerprint": kept.key_fingerprint,
            "not_after": kept.not_after.as_secs(),
            "renew_from": kept.due_at.as_secs(),
            "key": self.out.join(KEY),
            "certificate": self.out.join(CERTIFICATE),
            "key_in_tpm": kept.key_kind == KeyKind::Tpm,
            "browsers": installed.map(Installed::json),
        })
    }
}
