//! Break-glass: a one-time code for one device, given out at the admin socket, that begins a session without a provider. One at a time,
//! for an hour at most, and nothing makes it longer.

use std::sync::Arc;
use std::time::Duration;

use super::actor::{Actor, Note, one_line};
use super::code::InviteCode;
use super::devices::DeviceError;
use super::error::StoreError;
use super::feed::{Subject, Writing};
use super::registrar::Registrar;
use super::rows;
use super::sessions::{self, FromProvider, SessionError, Tokens};
use crate::clock::Timestamp;
use crate::inventory::{BreakGlass, Claims, DeviceId, DeviceStatus, LiveSession, Session, SessionId, Texts, UserId};
use crate::secret::{NoRandomness, same};

/// A break-glass that was begun.
#[derive(Debug)]
pub struct IssuedBreakGlass {
    /// It.
    pub under_way: BreakGlass,
    /// Its code. It exists nowhere else.
    pub code: InviteCode,
}

/// A break-glass that cannot be begun, used or ended.
#[derive(Debug, thiserror::Error)]
pub enum BreakGlassError {
    /// There is one already.
    #[error("a break-glass is under way already, on {0}, until {1}: end it first, with --end")]
    UnderWay(DeviceId, Timestamp),
    /// There is none.
    #[error("no break-glass is under way")]
    None,
    /// Nobody said why.
    #[error("a break-glass needs a reason")]
    NoReason,
    /// For no time, or too long.
    #[error("a break-glass lasts an hour at most")]
    Lifetime,
    /// It takes a device in use.
    #[error("device {0} is {1}: a break-glass takes one in use")]
    NotInUse(DeviceId, &'static str),
    /// The code opens nothing: it was never given out, was used, is over, or is another device's. Nobody is told which.
    #[error("this code opens nothing")]
    Refused,
    /// No such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// No randomness for a code.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registrar {
    /// Begins a break-glass on a device: makes the one-time code for it.
    ///
    /// # Errors
    /// [`BreakGlassError::UnderWay`], [`BreakGlassError::NoReason`], [`BreakGlassError::Lifetime`], [`BreakGlassError::NotInUse`].
    pub async fn begin_break_glass(
        &self,
        device: &DeviceId,
        lifetime: Duration,
        by: &Actor,
        why: &str,
    ) -> Result<IssuedBreakGlass, BreakGlassError> {
        if one_line(why).is_empty() {
            return Err(BreakGlassError::NoReason);
        }
        if lifetime.is_zero() || lifetime > LONGEST {
            return Err(BreakGlassError::Lifetime);
        }
        let code = InviteCode::generate()?;
        let (me, id, note) = (self.clone(), device.clone(), Note::new(by, why));
        let (by, why) = (by.to_string(), one_line(why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            let now = w.now;
            match rows::break_glass(w.db()).await? {
                Some((known, _)) if now < known.ends_at => {
                    return Err(BreakGlassError::UnderWay(known.device, known.ends_at));
                }
                // Its time is over, and nobody has cleared it away yet.
                Some((over, _)) => end(w, over).await?,
                None => {}
            }
            match rows::device(w.db(), id.as_str()).await? {
                None => return Err(me.unknown_device(id.as_str()).into()),
                Some(found) if found.status != DeviceStatus::Active => {
                    return Err(BreakGlassError::NotInUse(id, found.status.as_str()));
                }
                Some(_in_use) => {}
            }
            let under_way =
                BreakGlass { device: id, begun_at: now, ends_at: now.plus(lifetime), used_at: None, session: None, by, why };
            sqlx::query(
                "INSERT INTO break_glass (one, code, device, begun_at, ends_at, \"by\", why) VALUES (1, ?, ?, ?, ?, ?, ?)",
            )
            .bind(code.digest().to_string())
            .bind(under_way.device.as_str())
            .bind(under_way.begun_at.0)
            .bind(under_way.ends_at.0)
            .bind(&under_way.by)
            .bind(&under_way.why)
            .execute(w.db())
            .await
            .map_err(StoreError::from)?;
            w.changed(&Subject::BreakGlass(under_way.device.clone()), "begun").await?;
            me.commit(turn).await?;
            Ok(IssuedBreakGlass { under_way, code })
        })
        .await
    }

    /// Begins the session that the code is for, which is called `session`: on that very device, once, and until the break-glass ends.
    /// What stands in it counts as confirmed until then, since there is nobody to ask.
    ///
    /// # Errors
    /// [`BreakGlassError::Refused`].
    pub async fn use_break_glass(
        &self,
        code: &InviteCode,
        device: &DeviceId,
        session: SessionId,
    ) -> Result<Arc<LiveSession>, BreakGlassError> {
        let (me, device, digest) = (self.clone(), device.clone(), code.digest());
        let note = Note::new(&Actor::Person(UserId::break_glass()), "break-glass");
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            let now = w.now;
            let (known, expected) = rows::break_glass(w.db()).await?.ok_or(BreakGlassError::Refused)?;
            let right = same(expected.as_ref(), digest.as_ref()) && known.device == device;
            if !right || known.used_at.is_some() || now >= known.ends_at {
                return Err(BreakGlassError::Refused);
            }
            match sessions::device_in_use(w.db(), &device).await {
                Ok(_in_use) => {}
                Err(SessionError::Store(error)) => return Err(error.into()),
                Err(_not) => return Err(BreakGlassError::Refused),
            }
            let session = begun(session, known.device.clone(), now, known.ends_at);
            sessions::insert(w, &session, None, &FromProvider::default()).await?;
            for query in [
                sqlx::query("UPDATE sessions SET confirmed_at = ? WHERE id = ?").bind(known.ends_at.0),
                sqlx::query("UPDATE break_glass SET used_at = ?, session = ?").bind(now.0),
            ] {
                query.bind(&*session.id.0).execute(w.db()).await.map_err(StoreError::from)?;
            }
            w.changed(&Subject::BreakGlass(known.device), "used").await?;
            me.commit(turn).await?;
            me.inventory().session(&session.id).ok_or(BreakGlassError::Refused)
        })
        .await
    }

    /// Ends the break-glass that is under way, with its session.
    ///
    /// # Errors
    /// [`BreakGlassError::None`].
    pub async fn end_break_glass(&self, by: &Actor, why: &str) -> Result<BreakGlass, BreakGlassError> {
        self.end_it(by, why, |_any, _now| true).await
    }

    /// Ends it if its time is over.
    ///
    /// # Errors
    /// [`BreakGlassError::None`] if none is, or its time is not over.
    pub async fn end_break_glass_in_time(&self) -> Result<BreakGlass, BreakGlassError> {
        self.end_it(&Actor::System("break-glass"), "its time is over", |known, now| now >= known.ends_at).await
    }

    async fn end_it(
        &self,
        by: &Actor,
        why: &str,
        if_so: impl Fn(&BreakGlass, Timestamp) -> bool + Send + 'static,
    ) -> Result<BreakGlass, BreakGlassError> {
        let (me, note) = (self.clone(), Note::new(by, why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            let now = w.now;
            let known = rows::break_glass(w.db()).await?.map(|(known, _)| known).filter(|known| if_so(known, now));
            let known = known.ok_or(BreakGlassError::None)?;
            end(w, known.clone()).await?;
            me.commit(turn).await?;
            Ok(known)
        })
        .await
    }
}

async fn end(w: &mut Writing, known: BreakGlass) -> Result<(), StoreError> {
    if let Some(session) = known.session {
        sessions::end(w, &[session], "ended", Tokens::Left).await?;
    }
    sqlx::query("DELETE FROM break_glass").execute(w.db()).await?;
    w.changed(&Subject::BreakGlass(known.device), "ended").await
}

/// What is known of whoever comes by break-glass: nothing but that they had the code just now.
fn begun(id: SessionId, device: DeviceId, now: Timestamp, ends_at: Timestamp) -> Session {
    Session {
        id,
        user: UserId::break_glass(),
        service: false,
        device,
        email: None,
        name: None,
        groups: Texts::default(),
        claims: Claims::default(),
        authenticated_at: now,
        acr: None,
        amr: Texts::default(),
        mfa: false,
        created_at: now,
        expires_at: ends_at,
    }
}

const LONGEST: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::samples;
    use crate::store::NewDevice;
    use crate::store::tests::Bench;

    const HALF: Duration = Duration::from_secs(1800);

    fn by() -> Actor {
        Actor::Operator { uid: 7, name: None }
    }

    fn id(text: &str) -> DeviceId {
        text.parse().unwrap()
    }

    fn named(text: &str) -> SessionId {
        SessionId(text.into())
    }

    async fn with_devices(bench: &Bench) -> Registrar {
        let registrar = bench.open().await;
        for name in ["lap-1", "lap-2"] {
            let device = samples::device(name, DeviceStatus::Active);
            let new = NewDevice {
                id: device.id,
                authority: device.authority,
                owner: device.owner,
                shared: false,
                managed: false,
                platform: device.platform,
                keys: device.keys,
            };
            registrar.add_device(new, &by(), "").await.unwrap();
        }
        registrar
    }

    #[tokio::test]
    async fn a_code_opens_once_on_its_device_until_its_time() {
        let bench = Bench::new();
        let registrar = with_devices(&bench).await;
        let (lap, other) = (id("lap-1"), id("lap-2"));
        let issued = registrar.begin_break_glass(&lap, HALF, &by(), "the provider is down").await.unwrap();
        let refused = async |code: &InviteCode, device: &DeviceId, registrar: &Registrar| {
            matches!(registrar.use_break_glass(code, device, named("x")).await, Err(BreakGlassError::Refused))
        };
        assert!(refused(&InviteCode::generate().unwrap(), &lap, &registrar).await, "another code");
        assert!(refused(&issued.code, &other, &registrar).await, "another device");
        let live = registrar.use_break_glass(&issued.code, &lap, named("s-1")).await.unwrap();
        assert_eq!((&live.session.user, live.session.expires_at), (&UserId::break_glass(), issued.under_way.ends_at));
        assert_eq!(live.confirmed_at(), issued.under_way.ends_at, "there is nobody to ask");
        assert!(refused(&issued.code, &lap, &registrar).await, "it was used");
        let known = registrar.inventory().break_glass().unwrap();
        assert_eq!((known.session.as_ref(), known.used_at.is_some()), (Some(&named("s-1")), true));
        assert!(registrar.people().await.unwrap().is_empty(), "it is nobody");

        // Whoever starts the gate again changes nothing of it.
        drop(registrar);
        let registrar = bench.open().await;
        assert_eq!(registrar.inventory().break_glass().as_deref(), Some(&*known));
        assert!(registrar.inventory().session(&named("s-1")).is_some());
        assert!(matches!(registrar.end_break_glass_in_time().await, Err(BreakGlassError::None)), "not yet");
        bench.clock().advance(HALF);
        registrar.end_break_glass_in_time().await.unwrap();
        assert!(registrar.inventory().break_glass().is_none() && registrar.inventory().session(&named("s-1")).is_none());
    }

    #[tokio::test]
    async fn there_is_one_at_a_time_with_a_reason_and_a_bound() {
        let bench = Bench::new();
        let registrar = with_devices(&bench).await;
        let lap = id("lap-1");
        let begin = async |device: &str, seconds: u64, why: &str| {
            registrar.begin_break_glass(&id(device), Duration::from_secs(seconds), &by(), why).await
        };
        assert!(matches!(begin("lap-1", 600, " \n").await, Err(BreakGlassError::NoReason)));
        for seconds in [0, 3601] {
            assert!(matches!(begin("lap-1", seconds, "x").await, Err(BreakGlassError::Lifetime)));
        }
        assert!(matches!(begin("lap-9", 600, "x").await, Err(BreakGlassError::Device(_))));
        registrar.quarantine_device(&lap, &by(), "").await.unwrap();
        assert!(matches!(begin("lap-1", 600, "x").await, Err(BreakGlassError::NotInUse(..))));
        registrar.release_device(&lap, &by(), "").await.unwrap();

        let first = begin("lap-1", 60, "x").await.unwrap();
        let second = begin("lap-2", 60, "x").await.unwrap_err().to_string();
        assert!(second.contains("under way already, on lap-1"), "{second}");
        registrar.quarantine_device(&lap, &by(), "").await.unwrap();
        assert!(registrar.use_break_glass(&first.code, &lap, named("x")).await.is_err(), "it is not in use any more");
        registrar.end_break_glass(&by(), "done").await.unwrap();
        assert!(matches!(registrar.end_break_glass(&by(), "").await, Err(BreakGlassError::None)));

        // Over, and not cleared away: the next one takes its place, and its code opens nothing.
        let second = begin("lap-2", 60, "x").await.unwrap();
        bench.clock().advance(Duration::from_secs(60));
        assert!(registrar.use_break_glass(&second.code, &id("lap-2"), named("x")).await.is_err(), "late");
        let third = begin("lap-2", 3600, "x").await.unwrap();
        assert!(registrar.use_break_glass(&second.code, &id("lap-2"), named("x")).await.is_err());
        registrar.use_break_glass(&third.code, &id("lap-2"), named("x")).await.unwrap();
    }
}
