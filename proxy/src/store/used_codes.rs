//! A code that was used, shown again with another key: whoever shows it, or whoever used it, intercepted it.

use std::net::IpAddr;
use std::time::Duration;

use sqlx::FromRow;

use super::actor::{Actor, Note};
use super::code::InviteCode;
use super::error::{StoreError, bad_row};
use super::feed::{Subject, Writing};
use super::registrar::Registrar;
use super::{rows, sessions};
use crate::clock::Timestamp;
use crate::inventory::{DeviceId, DeviceStatus, KeyFingerprint};

/// What showing a used code again has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownAgain {
    /// The device that the code made.
    pub device: DeviceId,
    /// What became of it.
    pub status: DeviceStatus,
}

#[derive(FromRow)]
struct Used {
    id: String,
    expires_at: i64,
    device: String,
}

impl Registrar {
    /// A used code was shown with `key`, which was proved. If that is another key than the device's that the code made, the device
    /// is isolated; one that waits for its approval is retired, since releasing it would let it in.
    ///
    /// Once for each code: an administrator who has looked into it has the last word, and who has an old code cannot do it for ever.
    /// `None`: nothing has changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn code_shown_again(
        &self,
        code: &InviteCode,
        key: KeyFingerprint,
        from: IpAddr,
    ) -> Result<Option<ShownAgain>, StoreError> {
        let (me, code) = (self.clone(), code.clone());
        let why = format!("its enrolment code was shown again with another key, {key}, from {from}");
        let note = Note::new(&Actor::System("enrolment"), &why);
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            let Some(used) = still_counts(w, &code).await? else { return Ok(None) };
            let Some(mut device) = rows::device(w.db(), &used.device).await? else {
                return Err(bad_row("invitation", &used.id, &"its device is not there"));
            };
            if rows::key_holder(w.db(), &device.authority, &key).await?.as_ref() == Some(&device.id) {
                return Ok(None);
            }
            let (status, what) = match device.status {
                DeviceStatus::Active => (DeviceStatus::Quarantined, Some("quarantined")),
                DeviceStatus::Pending => (DeviceStatus::Retired, Some("retired")),
                done => (done, None),
            };
            let now = w.now.0;
            sqlx::query("UPDATE invitations SET shown_again_at = ? WHERE id = ?")
                .bind(now)
                .bind(&used.id)
                .execute(w.db())
                .await?;
            let subject = Subject::Device(device.id.clone());
            w.changed(&subject, "code shown again").await?;
            if let Some(what) = what {
                device.status = status;
                rows::put_device(w.db(), &device).await?;
                w.changed(&subject, what).await?;
            }
            if status == DeviceStatus::Retired {
                sessions::end_those_on(w, &device.id).await?;
            }
            me.commit(turn).await?;
            Ok(Some(ShownAgain { device: device.id, status }))
        })
        .await
    }
}

/// The invitation of a used code, unless it was shown again before, or ended long ago.
async fn still_counts(w: &mut Writing, code: &InviteCode) -> Result<Option<Used>, StoreError> {
    let used: Option<Used> = sqlx::query_as(
        "SELECT id, expires_at, device FROM invitations WHERE code = ? AND device IS NOT NULL AND shown_again_at IS NULL",
    )
    .bind(code.digest().to_string())
    .fetch_optional(w.db())
    .await?;
    Ok(used.filter(|used| w.now < Timestamp(used.expires_at).plus(COUNTS)))
}

/// How long after its end a used code still means something. Who finds an old one does not isolate a device with it.
pub(super) const COUNTS: Duration = Duration::from_secs(30 * 24 * 3600);
