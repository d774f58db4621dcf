//! Facts that are taken again: one asks and all wait, what changed takes effect, one answer ends a session, and an outage ends none.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::house::{Browser, GATE, House, NOW, WIKI};
use crate::identify_user::session::{self, Judge};
use crate::identify_user::testing;
use crate::identify_user::{KnownUser, UserRefusal};
use crate::inventory::LiveSession;
use crate::secret::Digest;
use crate::sign_in::RefreshOutcome;
use crate::store::{Actor, SessionsOf};

/// After it, facts are due.
const DUE: Duration = Duration::from_secs(15 * 60);
/// After it, they serve nobody.
const TOO_OLD: Duration = Duration::from_secs(3600);

/// Ana, signed in at a provider that gives refresh tokens.
struct Signed {
    house: House,
    browser: Browser,
}

impl Signed {
    async fn in_() -> Self {
        Self::at(House::with(json!({ "scopes_supported": ["openid", "offline_access"] })).await).await
    }

    async fn at(house: House) -> Self {
        house.liar.lies().gives_refresh_tokens = true;
        let mut browser = house.browser("lap-1");
        house.whole_way(&mut browser, "/").await.unwrap();
        Self { house, browser }
    }

    fn live(&self) -> Arc<LiveSession> {
        self.house.session(&self.browser, WIKI).expect("the session goes on")
    }

    /// Time passes, for the provider too.
    fn later(&self, by: Duration) {
        self.house.clock.advance(by);
        self.house.liar.lies().later += by;
    }

    /// Facts become due, and are asked for.
    async fn refresh(&self) {
        self.later(DUE);
        let live = self.live();
        self.house.sign_in.freshen(&live).await;
    }

    /// Who the wiki takes the browser for.
    fn known(&self) -> Result<KnownUser, UserRefusal> {
        let (sign_in, inventory) = (&self.house.sign_in, self.house.registrar.inventory());
        let judge = Judge { rules: &sign_in.rules, providers: &sign_in.providers, now: self.house.clock.now() };
        let token = Digest::of(self.browser.cookies[WIKI]["__Host-sekisho"].as_bytes());
        session::by_cookie(inventory, &token, &WIKI.parse().unwrap(), &testing::device("lap-1"), judge).map(|(_live, user)| user)
    }

    fn counted(&self, outcome: RefreshOutcome) -> u64 {
        let families = self.house.registry.gather();
        let family = families.iter().filter(|family| family.name() == "sekisho_refreshes_total");
        let metrics = family.flat_map(|family| family.get_metric());
        let of = metrics.filter(|metric| metric.get_label().iter().any(|label| label.value() == outcome.as_str()));
        of.map(|metric| metric.get_counter().get_value() as u64).sum()
    }

    fn shown(&self) -> usize {
        self.house.liar.lies().saw_refresh_tokens.len()
    }
}

#[tokio::test]
async fn what_the_provider_confirms_is_fresh_and_nothing_else_moves() {
    let signed = Signed::in_().await;
    let (before, epoch) = (signed.live(), signed.house.registrar.inventory().trust_epoch());
    assert!(!signed.known().unwrap().due);
    signed.later(DUE);
    assert!(signed.known().unwrap().due);
    signed.house.sign_in.freshen(&signed.live()).await;
    let after = signed.live();
    assert_eq!(after.confirmed_at(), NOW.plus(DUE));
    assert!(Arc::ptr_eq(&before, &after) && signed.house.registrar.inventory().trust_epoch() == epoch);
    let known = signed.known().unwrap();
    assert!(!known.due && known.facts_until == NOW.plus(DUE + TOO_OLD));
    assert_eq!(signed.counted(RefreshOutcome::Confirmed), 1);
    // Nobody asks about what is fresh.
    signed.house.sign_in.freshen(&after).await;
    assert_eq!(signed.shown(), 1);
    // It is written down as a use is.
    signed.house.registrar.save_use().await.unwrap();
    assert_eq!(after.unsaved_use(), None);
}

#[tokio::test]
async fn one_asks_and_all_wait_for_it_and_each_token_is_shown_once() {
    let signed = Signed::in_().await;
    for round in 1..=3 {
        signed.later(DUE);
        let waiting: Vec<_> = (0..64)
            .map(|_| {
                let (sign_in, live) = (Arc::clone(&signed.house.sign_in), signed.live());
                tokio::spawn(async move {
                    sign_in.freshen(&live).await;
                    live.confirmed_at()
                })
            })
            .collect();
        for waits in waiting {
            assert_eq!(waits.await.unwrap(), NOW.plus(DUE * round));
        }
    }
    assert_eq!(signed.house.liar.lies().saw_refresh_tokens, ["refresh-0", "refresh-1", "refresh-2"]);
    assert_eq!(signed.counted(RefreshOutcome::Confirmed), 3);
}

#[tokio::test]
async fn what_changed_takes_effect_but_a_refresh_proves_nothing() {
    let signed = Signed::in_().await;
    let (before, epoch) = (signed.live(), signed.house.registrar.inventory().trust_epoch());
    signed.house.liar.lies().claims = json!({
        "groups": ["staff"], "email": "ana.b@corp.example", "department": "sales",
        "auth_time": NOW.as_secs() + 800, "acr": "gold", "amr": ["pwd", "otp"], "sid": "another",
    });
    signed.refresh().await;
    let after = signed.live();
    assert_eq!((&before.session.id, &after.session.id), (&after.session.id, &before.session.id));
    assert_eq!(after.session.groups.iter().collect::<Vec<_>>(), ["staff"]);
    assert_eq!(after.session.email.as_deref(), Some("ana.b@corp.example"));
    assert_ne!(before.facts, after.facts);
    assert!(signed.house.registrar.inventory().trust_epoch() > epoch, "whoever remembers a judgement looks again");
    let proof = |live: &LiveSession| {
        let session = &live.session;
        (session.authenticated_at, session.acr.clone(), session.amr.clone(), session.mfa, session.created_at, session.expires_at)
    };
    assert_eq!(proof(&before), proof(&after));
    assert_eq!((after.confirmed_at(), signed.counted(RefreshOutcome::Changed)), (NOW.plus(DUE), 1));
    let person = signed.house.registrar.find_user("ana.b@corp.example").await.unwrap();
    assert_eq!(person, after.session.user, "operators find her by the new address");
}

#[tokio::test]
async fn without_an_id_token_userinfo_is_asked() {
    let signed = Signed::in_().await;
    signed.house.liar.lies().refresh_members = json!({ "id_token": null });
    // Userinfo names other groups, and no department.
    signed.refresh().await;
    let session = Arc::clone(&signed.live().session);
    assert_eq!(session.groups.iter().collect::<Vec<_>>(), ["staff"]);
    assert!(session.claims.get("department").is_none());
}

#[tokio::test]
async fn what_the_provider_takes_back_ends_and_whoever_comes_hears_so() {
    let refused = r#"{"error":"invalid_grant","error_description":"used"}"#;
    let cases = [
        (Some(refused), Value::Null, Value::Null, RefreshOutcome::Refused),
        (None, json!({ "sub": "bob" }), Value::Null, RefreshOutcome::Unfit),
        (None, json!({ "groups": "staff" }), Value::Null, RefreshOutcome::Unfit),
        (None, json!({ "groups": null }), json!({ "groups": null }), RefreshOutcome::Unfit),
        (None, json!({ "groups": null, "_claim_names": { "groups": "src1" } }), Value::Null, RefreshOutcome::Unfit),
        (None, json!({ "name": null }), json!({ "sub": "bob" }), RefreshOutcome::Unfit),
    ];
    for (answer, claims, userinfo, outcome) in cases {
        let signed = Signed::in_().await;
        let live = signed.live();
        signed.house.liar.lies().refresh_answer = answer.map(|body| (400, body.to_owned()));
        signed.house.liar.lies().claims = claims.clone();
        signed.house.liar.lies().userinfo = userinfo.clone();
        signed.refresh().await;
        assert!(live.ended(), "{claims} {userinfo}");
        assert_eq!(signed.known().unwrap_err(), UserRefusal::FactsRefused, "{claims} {userinfo}");
        assert_eq!(signed.counted(outcome), 1, "{claims} {userinfo}");
        assert!(signed.house.session(&signed.browser, GATE).is_none(), "everywhere");
    }
}

#[tokio::test]
async fn no_other_answer_ends_a_session_or_confirms_it() {
    use RefreshOutcome::{Failed, Unreachable};
    let answers = [
        (400, r#"{"error":"invalid_client"}"#, Failed),
        (401, r#"{"error":"invalid_client"}"#, Failed),
        (400, r#"{"error":"invalid_scope"}"#, Failed),
        (500, r#"{"error":"invalid_grant"}"#, Unreachable),
        (503, "<html>", Unreachable),
        (429, "", Unreachable),
        (404, "", Failed),
        (302, "", Failed),
        (200, "<html>", Failed),
        (200, r#"{"token_type":"Bearer"}"#, Failed),
    ];
    for (status, body, outcome) in answers {
        let signed = Signed::in_().await;
        signed.house.liar.lies().refresh_answer = Some((status, body.to_owned()));
        signed.refresh().await;
        assert_eq!((signed.live().confirmed_at(), signed.counted(outcome)), (NOW, 1), "{status} {body}");
        assert!(signed.known().is_ok(), "{status} {body}");
        // The same token is good as soon as the provider is.
        signed.house.liar.lies().saw_refresh_tokens.clear();
        signed.house.liar.lies().refresh_answer = None;
        signed.refresh().await;
        assert_eq!(signed.live().confirmed_at(), NOW.plus(DUE * 2), "{status} {body}");
    }
}

#[tokio::test]
async fn a_refusal_without_a_reason_ends_nothing_and_is_not_asked_for_again() {
    let signed = Signed::in_().await;
    signed.house.liar.lies().refresh_answer = Some((400, String::new()));
    let mut other = signed.house.browser("lap-1");
    signed.house.whole_way(&mut other, "/").await.unwrap();
    let mut third = signed.house.browser("lap-1");
    signed.house.whole_way(&mut third, "/").await.unwrap();
    signed.refresh().await;
    for browser in [&other, &third] {
        signed.house.sign_in.freshen(&signed.house.session(browser, WIKI).unwrap()).await;
    }
    assert_eq!((signed.live().confirmed_at(), signed.counted(RefreshOutcome::Unexplained)), (NOW, 3));
    assert!(signed.known().is_ok(), "what is known serves");
    let provider = Arc::clone(&signed.live().session.user.provider);
    assert!(!signed.house.sign_in.under_way.paces.of(&provider).is_lost(), "it does answer, and is asked about others");
    // A good answer would not be heard: the token is not shown twice.
    signed.house.liar.lies().saw_refresh_tokens.clear();
    signed.house.liar.lies().refresh_answer = None;
    signed.refresh().await;
    assert!(signed.house.liar.lies().saw_refresh_tokens.is_empty());
    // Signing in helps, unlike with a provider that does not answer.
    signed.later(TOO_OLD);
    signed.live().touch(signed.house.clock.now());
    assert_eq!(signed.known().unwrap_err(), UserRefusal::FactsExpired);
}

#[tokio::test]
async fn an_id_token_that_cannot_be_believed_confirms_nothing_and_its_refresh_token_is_kept() {
    let now = NOW.as_secs() + 900;
    let lies = [
        json!({ "iss": "https://other.example" }),
        json!({ "aud": "somebody-else" }),
        json!({ "aud": ["sekisho", "other"] }),
        json!({ "exp": now - 31 }),
        json!({ "iat": now + 60 }),
        json!({ "iat": null }),
        json!({ "nonce": "of another sign-in" }),
        json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }),
    ];
    for claims in lies {
        let signed = Signed::in_().await;
        signed.house.liar.lies().claims = claims.clone();
        signed.refresh().await;
        assert_eq!((signed.live().confirmed_at(), signed.counted(RefreshOutcome::Failed)), (NOW, 1), "{claims}");
        signed.house.liar.lies().claims = Value::Null;
        signed.refresh().await;
        assert_eq!(signed.live().confirmed_at(), NOW.plus(DUE * 2), "{claims}");
    }
    let signed = Signed::in_().await;
    signed.house.liar.lies().id_token = Some("eyJhbGciOiJub25lIn0.e30.".to_owned());
    signed.refresh().await;
    assert_eq!(signed.live().confirmed_at(), NOW);
}

#[tokio::test]
async fn facts_serve_through_an_outage_until_they_are_too_old_and_are_fresh_when_it_is_over() {
    let signed = Signed::in_().await;
    signed.house.liar.lies().refresh_answer = Some((503, String::new()));
    for _ in 0..3 {
        signed.refresh().await;
        assert!(signed.known().is_ok(), "they still serve");
    }
    signed.later(DUE);
    signed.live().touch(signed.house.clock.now());
    assert_eq!(signed.known().unwrap_err(), UserRefusal::FactsStale);
    // After three failures, nobody asks for a while: whoever is refused is refused at once.
    let asked = signed.shown();
    signed.house.sign_in.freshen(&signed.live()).await;
    assert_eq!((signed.shown(), signed.house.sign_in.lost_providers().len()), (asked, 1));
    signed.house.liar.lies().refresh_answer = None;
    signed.house.liar.lies().saw_refresh_tokens.clear();
    let confirmed = tokio::time::timeout(Duration::from_secs(20), async {
        while signed.known().is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            signed.house.sign_in.freshen(&signed.live()).await;
        }
    });
    confirmed.await.unwrap();
    assert!(signed.house.sign_in.lost_providers().is_empty());
    assert_eq!(signed.house.liar.lies().saw_refresh_tokens, ["refresh-0"]);
}

#[tokio::test]
async fn without_a_refresh_token_the_way_leads_through_the_provider_again() {
    let house = House::open().await;
    let mut browser = house.browser("lap-1");
    house.whole_way(&mut browser, "/").await.unwrap();
    let signed = Signed { house, browser };
    signed.later(TOO_OLD - Duration::from_secs(1));
    let known = signed.known().unwrap();
    assert!(!known.due, "nobody can be asked");
    signed.house.sign_in.freshen(&signed.live()).await;
    signed.later(Duration::from_secs(1));
    signed.live().touch(signed.house.clock.now());
    assert_eq!(signed.known().unwrap_err(), UserRefusal::FactsExpired);
    assert_eq!(signed.shown(), 0);

    let mut browser = signed.browser.clone();
    let provider = signed.house.to_provider(&mut browser, "/page").await;
    assert!(provider.starts_with(&signed.house.issuer), "the session at the sign-in host is as old: {provider}");
}

#[tokio::test]
async fn a_session_that_nobody_may_use_is_not_asked_about() {
    let operator = Actor::Operator { uid: 0, name: None };
    let ended = Signed::in_().await;
    let live = ended.live();
    ended.later(DUE);
    let which = SessionsOf::One(live.session.id.clone());
    ended.house.registrar.end_sessions(&which, &operator, "").await.unwrap();
    ended.house.sign_in.freshen(&live).await;
    assert_eq!((ended.shown(), ended.counted(RefreshOutcome::Gone)), (0, 1));
    assert_eq!(ended.known().unwrap_err(), UserRefusal::UnknownSession, "it was not the provider");

    let isolated = Signed::in_().await;
    let device = isolated.live().session.device.clone();
    isolated.house.registrar.quarantine_device(&device, &operator, "").await.unwrap();
    isolated.refresh().await;
    assert_eq!((isolated.shown(), isolated.counted(RefreshOutcome::Gone)), (0, 1));
}

#[tokio::test]
async fn refresh_tokens_are_asked_for_where_the_provider_has_them() {
    for (scopes, expected) in [(json!(["openid", "offline_access"]), true), (json!(["openid"]), false), (Value::Null, false)] {
        let house = House::with(json!({ "scopes_supported": scopes })).await;
        let mut browser = house.browser("lap-1");
        let provider = house.to_provider(&mut browser, "/").await;
        assert_eq!(provider.contains("offline_access"), expected, "{provider}");
    }
}

#[tokio::test]
async fn what_is_in_use_is_confirmed_before_anybody_waits() {
    let signed = Signed::in_().await;
    signed.later(DUE * 96 / 100);
    signed.house.sign_in.sweep().await;
    signed.house.sign_in.finish_refreshes().await;
    assert_eq!(signed.shown(), 0, "nobody has used it since");
    signed.live().touch(signed.house.clock.now());
    assert!(!signed.known().unwrap().due);
    signed.house.sign_in.sweep().await;
    signed.house.sign_in.finish_refreshes().await;
    assert_eq!((signed.shown(), signed.live().confirmed_at()), (1, NOW.plus(DUE * 96 / 100)));
}

#[tokio::test]
async fn a_token_that_the_store_does_not_take_is_not_lost_and_nobody_is_asked_about_anybody_before_it_is() {
    let signed = Signed::in_().await;
    let mut other = signed.house.browser("lap-2");
    signed.house.whole_way(&mut other, "/").await.unwrap();
    let other = signed.house.session(&other, WIKI).unwrap();
    signed.house.registrar.takes_tokens(false).await;
    signed.refresh().await;
    assert_eq!((signed.shown(), signed.counted(RefreshOutcome::NotKept)), (1, 1));
    // Not the same session again, and no other one.
    signed.refresh().await;
    signed.house.sign_in.freshen(&other).await;
    assert_eq!((signed.shown(), signed.counted(RefreshOutcome::NotKept)), (1, 3));
    assert!(signed.known().is_ok() && signed.house.sign_in.lost_providers().is_empty(), "it is not the provider's fault");
    signed.house.sign_in.sweep().await;
    // The store is well again: the token that waited is the one that is shown.
    signed.house.registrar.takes_tokens(true).await;
    signed.refresh().await;
    assert_eq!(signed.house.liar.lies().saw_refresh_tokens, ["refresh-0", "refresh-1"]);
    assert_eq!(signed.live().confirmed_at(), NOW.plus(DUE * 3));
    signed.house.liar.lies().refresh_answer = Some((503, String::new()));
    signed.later(DUE);
    signed.house.sign_in.freshen(&other).await;
    assert_eq!(signed.shown(), 3, "and others are asked about");
}

#[tokio::test]
async fn tokens_that_wait_are_written_down_although_nobody_comes_and_at_the_end() {
    for sweeps in [true, false] {
        let signed = Signed::in_().await;
        signed.house.registrar.takes_tokens(false).await;
        signed.refresh().await;
        signed.house.registrar.takes_tokens(true).await;
        match sweeps {
            true => signed.house.sign_in.sweep().await,
            false => signed.house.sign_in.finish_refreshes().await,
        }
        let kept = signed.house.registrar.kept_with(&signed.live().session.id).await.unwrap().unwrap();
        let kept = String::from_utf8(kept.expose().clone()).unwrap();
        assert!(kept.contains("\"refresh-1\""), "{kept}");
        assert_eq!(signed.shown(), 1);
    }
}

#[tokio::test]
async fn a_token_that_comes_too_late_is_given_back_but_not_that_of_a_session_that_was_replaced() {
    let operator = Actor::Operator { uid: 0, name: None };
    for replaced in [false, true] {
        let signed = Signed::in_().await;
        signed.house.registrar.takes_tokens(false).await;
        signed.refresh().await;
        let session = signed.live().session.id.clone();
        match replaced {
            true => signed.house.registrar.replace_session(&session, &operator, "").await.unwrap(),
            false => drop(signed.house.registrar.end_sessions(&SessionsOf::One(session), &operator, "").await.unwrap()),
        }
        signed.house.registrar.takes_tokens(true).await;
        signed.house.sign_in.sweep().await;
        let expected: &[&str] = if replaced { &[] } else { &["refresh-1"] };
        assert_eq!(signed.house.liar.lies().saw_revoked, expected, "replaced: {replaced}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_person_is_no_outage_and_what_is_wrong_with_the_provider_is() {
    let cases: [(u16, &str, bool); 8] = [
        (400, r#"{"error":"interaction_required"}"#, false),
        (403, r#"{"error":"access_denied"}"#, false),
        (400, r#"{"error":"invalid_scope"}"#, false),
        (200, "<html>", false),
        (400, r#"{"error":"invalid_client"}"#, true),
        (401, r#"{"error":"invalid_client"}"#, true),
        (400, r#"{"error":"temporarily_unavailable"}"#, true),
        (503, "", true),
    ];
    for (status, body, lost) in cases {
        let signed = Signed::in_().await;
        signed.house.liar.lies().refresh_answer = Some((status, body.to_owned()));
        for _ in 0..3 {
            signed.refresh().await;
        }
        assert_eq!((signed.shown(), !signed.house.sign_in.lost_providers().is_empty()), (3, lost), "{status} {body}");
    }
    // Userinfo that this person may not have, and userinfo that nobody gets.
    for (status, lost) in [(403, false), (401, false), (500, true), (502, true)] {
        let signed = Signed::in_().await;
        signed.house.liar.lies().refresh_members = json!({ "id_token": null });
        signed.house.liar.lies().userinfo_status = Some(status);
        for _ in 0..3 {
            signed.refresh().await;
        }
        assert_eq!((signed.shown(), !signed.house.sign_in.lost_providers().is_empty()), (3, lost), "userinfo {status}");
    }
}
