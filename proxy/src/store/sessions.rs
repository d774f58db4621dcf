//! A session's way: begun, given to app hosts as cookies, ended.

use std::sync::Arc;

use sqlx::SqliteConnection;

use super::actor::{Actor, Note};
use super::belongings;
use super::error::{StoreError, bad_row};
use super::feed::{Subject, Writing};
use super::given_up::Sealed;
use super::near::{did_you_mean, near};
use super::people;
use super::registrar::Registrar;
use super::rows;
use crate::clock::Timestamp;
use crate::config::Host;
use crate::inventory::{Device, DeviceId, DeviceStatus, LiveSession, Owner, Session, SessionId, UserId};
use crate::secret::{self, Digest, NoRandomness, Secret};

/// Which sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionsOf {
    /// This one.
    One(SessionId),
    /// All of a person.
    User(UserId),
    /// All on a device.
    Device(DeviceId),
    /// Those that a provider says are over.
    AtProvider(Meant),
}

/// Whom a provider means by a logout (OpenID Connect Back-Channel Logout 1.0, section 2.4). Without `sid` and `subject` it is nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// The provider.
    pub provider: Arc<str>,
    /// Its name for the sign-in.
    pub sid: Option<String>,
    /// The person.
    pub subject: Option<String>,
    /// When it said so, by its own clock.
    pub at: Timestamp,
}

/// What comes with a session from its provider.
#[derive(Debug, Default)]
pub struct FromProvider {
    /// Its tokens; kept sealed.
    pub kept: Option<Secret<Vec<u8>>>,
    /// One of them is a refresh token.
    pub refreshable: bool,
    /// Its name for the sign-in (`sid`), by which it can end it.
    pub sid: Option<String>,
    /// When the browser was sent there, by our clock. Sessions that were ended since then are ended for this one too.
    pub asked_at: Option<Timestamp>,
}

/// What becomes of the tokens of a session that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tokens {
    GivenBack,
    Left,
}

/// A session that cannot be begun, used or ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No such session now.
    #[error("no session is called `{id}`: it may have ended{}", did_you_mean(near))]
    Unknown {
        /// What was asked for.
        id: String,
        /// Ids that could have been meant.
        near: Vec<String>,
    },
    /// There is one of that name already.
    #[error("there is a session called `{0}` already")]
    Taken(SessionId),
    /// A session needs a device that is in use.
    #[error("device `{id}` cannot be used to sign in: {status}")]
    DeviceNotInUse {
        /// The device.
        id: DeviceId,
        /// Its status, or `unknown`.
        status: &'static str,
    },
    /// The person's access was taken away.
    #[error("{0} is suspended")]
    Suspended(UserId),
    /// Their sessions were ended while this one was on its way.
    #[error("{0} was signed out while signing in")]
    SignedOut(UserId),
    /// No randomness for a token.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registrar {
    /// Begins a session. Judged in the same moment as it is stored: its device is in use, its person not suspended, and was not signed
    /// out since they began to sign in.
    ///
    /// A device that waits for its owner by e-mail address becomes this person's if the provider vouched for that address. What
    /// is kept of the provider's tokens is sealed; [`Registrar::kept_with`] gives it back.
    ///
    /// # Errors
    /// [`SessionError::DeviceNotInUse`], [`SessionError::Suspended`], [`SessionError::SignedOut`], [`SessionError::Taken`].
    pub async fn start_session(
        &self,
        session: Session,
        provided: FromProvider,
        why: &str,
    ) -> Result<Arc<LiveSession>, SessionError> {
        let (me, note) = (self.clone(), Note::new(&Actor::Person(session.user.clone()), why));
        self.run(async move {
            let kept = provided.kept.as_ref().map(|kept| me.inner.sealer.seal(&purpose(&session.id), kept.expose())).transpose();
            let kept = kept.map_err(|_| StoreError::Sealing("sealing the provider's tokens failed"))?;
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            if rows::suspended(w.db(), &session.user).await? {
                return Err(SessionError::Suspended(session.user));
            }
            if turn.ended.ends(&session, &provided) {
                return Err(SessionError::SignedOut(session.user));
            }
            let device = device_in_use(w.db(), &session.device).await?;
            if rows::session(w.db(), &session.id.0).await?.is_some() {
                return Err(SessionError::Taken(session.id));
            }
            pin_owner(w, device, &session).await?;
            end_oldest(w, &session).await?;
            insert(w, &session, kept, &provided).await?;
            people::remember(w, &session).await?;
            let id = session.id.clone();
            me.commit(turn).await?;
            me.inventory().session(&id).ok_or_else(|| me.unknown_session(&id))
        })
        .await
    }

    /// A new cookie for one host, opening this session. The token exists nowhere else; its hash is stored.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] if the session has ended.
    pub async fn issue_app_cookie(&self, session: &SessionId, host: &Host) -> Result<Secret<String>, SessionError> {
        let token = Secret::new(secret::token()?);
        let digest = Digest::of(token.expose().as_bytes());
        let (me, session, host) = (self.clone(), session.clone(), host.clone());
        let note = Note::new(&Actor::System("sign_in"), "");
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            if rows::session(w.db(), &session.0).await?.is_none() {
                return Err(me.unknown_session(&session));
            }
            let made_at = w.now.0;
            sqlx::query("INSERT INTO cookies (token, session, host, made_at) VALUES (?, ?, ?, ?)")
                .bind(digest.to_string())
                .bind(&*session.0)
                .bind(host.as_str())
                .bind(made_at)
                .execute(w.db())
                .await
                .map_err(StoreError::from)?;
            w.changed(&Subject::Cookie(digest), "given").await?;
            drop_oldest_cookies(w, &session, &host).await?;
            Ok(me.commit(turn).await?)
        })
        .await?;
        Ok(token)
    }

    /// Ends sessions and every cookie that opens them; returns which. None to end is no error, except for one that was named.
    ///
    /// # Errors
    /// [`SessionError::Unknown`].
    pub async fn end_sessions(&self, which: &SessionsOf, by: &Actor, why: &str) -> Result<Vec<SessionId>, SessionError> {
        self.end_those(which, by, why, Tokens::GivenBack).await
    }

    /// Ends a session in whose place its person has another. Its tokens are left alone: at some providers, to give them back ends the sign-in
    /// there, which the new ones came from.
    ///
    /// # Errors
    /// [`SessionError::Unknown`].
    pub async fn replace_session(&self, session: &SessionId, by: &Actor, why: &str) -> Result<(), SessionError> {
        self.end_those(&SessionsOf::One(session.clone()), by, why, Tokens::Left).await.map(drop)
    }

    async fn end_those(&self, which: &SessionsOf, by: &Actor, why: &str, tokens: Tokens) -> Result<Vec<SessionId>, SessionError> {
        let (me, which, note) = (self.clone(), which.clone(), Note::new(by, why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            turn.ended.remember(&which, w.now);
            let ids = match &which {
                SessionsOf::One(id) => {
                    if rows::session(w.db(), &id.0).await?.is_none() {
                        return Err(me.unknown_session(id));
                    }
                    vec![id.clone()]
                }
                SessionsOf::User(user) => {
                    // Whoever signed in as them may have invited a device, too.
                    belongings::withdraw_all(w, user).await?;
                    of_user(w.db(), user).await?
                }
                SessionsOf::Device(device) => on_device(w.db(), device).await?,
                SessionsOf::AtProvider(meant) => at_provider(w.db(), meant).await?,
            };
            end(w, &ids, "ended", tokens).await?;
            me.commit(turn).await?;
            Ok(ids)
        })
        .await
    }

    /// What was kept with a session at its start.
    ///
    /// # Errors
    /// [`StoreError::Sealing`] if it does not open.
    pub async fn kept_with(&self, session: &SessionId) -> Result<Option<Secret<Vec<u8>>>, StoreError> {
        let (me, session) = (self.clone(), session.clone());
        self.run(async move {
            let sealed: Option<Option<Vec<u8>>> =
                sqlx::query_scalar("SELECT kept FROM sessions WHERE id = ?").bind(&*session.0).fetch_optional(me.pool()).await?;
            let Some(sealed) = sealed.flatten() else { return Ok(None) };
            let kept = me.inner.sealer.open(&purpose(&session), &sealed);
            kept.map(Some).map_err(|_| StoreError::Sealing("what was kept with the session does not open"))
        })
        .await
    }

    fn unknown_session(&self, id: &SessionId) -> SessionError {
        let sessions = self.inventory().sessions();
        SessionError::Unknown { id: id.to_string(), near: near(&id.0, sessions.iter().map(|live| &*live.session.id.0)) }
    }
}

/// Ends all sessions of a person, in this transaction.
pub(super) async fn end_those_of(w: &mut Writing, user: &UserId) -> Result<Vec<SessionId>, StoreError> {
    let ids = of_user(w.db(), user).await?;
    end(w, &ids, "ended", Tokens::GivenBack).await?;
    Ok(ids)
}

/// Ends all sessions on a device, in this transaction.
pub(super) async fn end_those_on(w: &mut Writing, device: &DeviceId) -> Result<Vec<SessionId>, StoreError> {
    let ids = on_device(w.db(), device).await?;
    end(w, &ids, "ended", Tokens::GivenBack).await?;
    Ok(ids)
}

/// Ends these, in this transaction. Their cookies go with them.
pub(super) async fn end(w: &mut Writing, ids: &[SessionId], what: &'static str, tokens: Tokens) -> Result<(), StoreError> {
    for id in ids {
        let gone: Option<(String, Option<Vec<u8>>)> =
            sqlx::query_as("DELETE FROM sessions WHERE id = ? RETURNING provider, CASE WHEN refreshable THEN kept END")
                .bind(&*id.0)
                .fetch_optional(w.db())
                .await?;
        let Some((provider, kept)) = gone else { continue };
        w.changed(&Subject::Session(id.clone()), what).await?;
        match (tokens, kept) {
            (Tokens::GivenBack, Some(kept)) => w.given_up.push(Sealed { session: id.clone(), provider, kept }),
            (Tokens::GivenBack, None) => {}
            (Tokens::Left, _) => w.replaced.push(id.clone()),
        }
    }
    Ok(())
}

pub(super) async fn device_in_use(db: &mut SqliteConnection, id: &DeviceId) -> Result<Device, SessionError> {
    match rows::device(db, id.as_str()).await? {
        Some(device) if device.status == DeviceStatus::Active => Ok(device),
        other => {
            let status = other.map_or("unknown", |device| device.status.as_str());
            Err(SessionError::DeviceNotInUse { id: id.clone(), status })
        }
    }
}

async fn pin_owner(w: &mut Writing, mut device: Device, session: &Session) -> Result<(), StoreError> {
    let Some(Owner::Email(waits_for)) = &device.owner else { return Ok(()) };
    if session.email.as_deref() != Some(waits_for.as_str()) {
        return Ok(());
    }
    device.owner = Some(Owner::User(session.user.clone()));
    rows::put_device(w.db(), &device).await?;
    w.changed(&Subject::Device(device.id), "owner signed in for the first time").await
}

/// A browser that loses its cookies signs in again and again; what it left behind is bounded.
async fn end_oldest(w: &mut Writing, session: &Session) -> Result<(), StoreError> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM sessions WHERE provider = ? AND subject = ? AND device = ? ORDER BY last_used DESC, id LIMIT -1 OFFSET ?",
    )
    .bind(&*session.user.provider)
    .bind(&*session.user.subject)
    .bind(session.device.as_str())
    .bind(MOST_SESSIONS - 1)
    .fetch_all(w.db())
    .await?;
    end(w, &named(ids), "ended for a newer one", Tokens::Left).await
}

pub(super) async fn insert(
    w: &mut Writing,
    session: &Session,
    kept: Option<Vec<u8>>,
    provided: &FromProvider,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sessions (id, provider, subject, device, expires_at, last_used, confirmed_at, refreshable, facts, kept, sid) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&*session.id.0)
    .bind(&*session.user.provider)
    .bind(&*session.user.subject)
    .bind(session.device.as_str())
    .bind(session.expires_at.0)
    .bind(session.created_at.0)
    .bind(session.created_at.0)
    .bind(provided.refreshable && kept.is_some())
    .bind(session.facts_json())
    .bind(kept)
    .bind(provided.sid.as_deref())
    .execute(w.db())
    .await?;
    w.changed(&Subject::Session(session.id.clone()), BEGUN).await
}

/// Two tabs may fetch a cookie for the same host at once, so the one before stays good for a while; older ones do not.
async fn drop_oldest_cookies(w: &mut Writing, session: &SessionId, host: &Host) -> Result<(), StoreError> {
    let tokens: Vec<String> = sqlx::query_scalar(
        "SELECT token FROM cookies WHERE session = ? AND host = ? ORDER BY made_at DESC, rowid DESC LIMIT -1 OFFSET ?",
    )
    .bind(&*session.0)
    .bind(host.as_str())
    .bind(MOST_COOKIES)
    .fetch_all(w.db())
    .await?;
    for token in tokens {
        sqlx::query("DELETE FROM cookies WHERE token = ?").bind(&token).execute(w.db()).await?;
        let token = token.parse().map_err(|problem| bad_row("cookie of session", &session.0, &problem))?;
        w.changed(&Subject::Cookie(token), "replaced").await?;
    }
    Ok(())
}

pub(super) async fn of_user(db: &mut SqliteConnection, user: &UserId) -> Result<Vec<SessionId>, StoreError> {
    let ids = sqlx::query_scalar("SELECT id FROM sessions WHERE provider = ? AND subject = ? ORDER BY id");
    Ok(named(ids.bind(&*user.provider).bind(&*user.subject).fetch_all(db).await?))
}

async fn on_device(db: &mut SqliteConnection, device: &DeviceId) -> Result<Vec<SessionId>, StoreError> {
    let ids = sqlx::query_scalar("SELECT id FROM sessions WHERE device = ? ORDER BY id");
    Ok(named(ids.bind(device.as_str()).fetch_all(db).await?))
}

/// A session whose name at the provider is not known may be the one that is meant, if the person is.
async fn at_provider(db: &mut SqliteConnection, meant: &Meant) -> Result<Vec<SessionId>, StoreError> {
    let ids = match (&meant.sid, &meant.subject) {
        (None, None) => return Ok(Vec::new()),
        (Some(sid), None) => sqlx::query_scalar("SELECT id FROM sessions WHERE provider = ? AND sid = ? ORDER BY id")
            .bind(&*meant.provider)
            .bind(sid),
        (None, Some(subject)) => sqlx::query_scalar("SELECT id FROM sessions WHERE provider = ? AND subject = ? ORDER BY id")
            .bind(&*meant.provider)
            .bind(subject),
        (Some(sid), Some(subject)) => sqlx::query_scalar(
            "SELECT id FROM sessions WHERE provider = ? AND subject = ? AND (sid = ? OR sid IS NULL) ORDER BY id",
        )
        .bind(&*meant.provider)
        .bind(subject)
        .bind(sid),
    };
    Ok(named(ids.fetch_all(db).await?))
}

fn named(ids: Vec<String>) -> Vec<SessionId> {
    ids.into_iter().map(|id| SessionId(id.into())).collect()
}

pub(super) fn purpose(session: &SessionId) -> String {
    format!("session {session}")
}

/// Sessions of one person on one device.
const MOST_SESSIONS: i64 = 16;
/// Cookies of one session for one host.
const MOST_COOKIES: i64 = 4;

/// What the feed says of a session that is new.
pub(super) const BEGUN: &str = "begun";
