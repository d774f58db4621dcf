//! A known device and a known user, together, allowed by policy; and each of the three taken away.

use serde_json::Value;

use super::line::Score;
use crate::commands::error::CommandError;
use crate::commands::quickstart::sign_in::{person, sign_in};
use crate::commands::quickstart::stage::Stage;
use crate::commands::quickstart::visitor::{Answer, VisitError, Visitor};
use crate::console::admin::wire::WhyRequest;

/// Plays it.
pub(super) async fn play(stage: &Stage, score: &mut Score) -> Result<(), CommandError> {
    let share = |path: &str| stage.place.share(path);
    let nobody = Visitor::new(stage.trusted()?, None).map_err(CommandError::failed)?;
    let laptop = stage.alice.fresh();

    score.refused("without a device, nobody gets in", 403, "device_missing", &nobody.get(&share("/")).await)?;
    score.refused(
        "on an enrolled device, a program is asked to sign in",
        401,
        "no_credential",
        &laptop.get(&share("/")).await,
    )?;
    let page = laptop.browse(&share("/files/plans/")).await;
    let at_provider = |answer: &Answer| answer.status == 200 && answer.url.as_str().starts_with(&stage.place.provider());
    score.line(
        "a browser is led to the provider",
        page.as_ref().is_ok_and(at_provider),
        "its sign-in page",
        &where_it_ended(&page),
    )?;
    let deep = share("/files/plans/");
    let page = sign_in(&laptop, &deep, &person("alice")?).await;
    let landed = |answer: &Answer| answer.url.as_str() == deep && answer.text().contains("report-001.pdf");
    score.line(
        "Alice signs in on her laptop",
        page.as_ref().is_ok_and(landed),
        "the folder that she asked for",
        &where_it_ended(&page),
    )?;
    score.allowed("Alice reads the share", &laptop.get(&share("/")).await)?;
    score.allowed("and the chat, without signing in again", &laptop.browse(&stage.place.chat("/")).await)?;

    score.allowed("Alice is an administrator of the share", &laptop.get(&share("/admin/")).await)?;
    score.refused("Bob is not", 403, "policy_forbidden", &stage.bob.get(&share("/admin/")).await)?;
    score.allowed("Bob reads the share on his own device", &stage.bob.get(&share("/")).await)?;
    let borrowed = stage.alice.fresh();
    let _page = sign_in(&borrowed, &deep, &person("bob")?).await;
    score.refused("but not on Alice's laptop", 403, "policy_no_permit", &borrowed.get(&share("/")).await)?;
    score.allowed("a public path asks nobody who they are", &nobody.get(&share("/healthz")).await)?;

    isolate(stage, score).await
}

/// The laptop is isolated, and released again.
async fn isolate(stage: &Stage, score: &mut Score) -> Result<(), CommandError> {
    let (home, id) = (stage.place.share("/"), &stage.laptop.id);
    let why = WhyRequest { why: "quickstart --check".to_owned() };
    let _view: Value = stage.admin.post(&format!("/v1/devices/{id}/quarantine"), &why).await?;
    score.refused("a device in quarantine is out at once", 403, "device_quarantined", &stage.alice.get(&home).await)?;
    let _view: Value = stage.admin.post(&format!("/v1/devices/{id}/release"), &why).await?;
    score.allowed("and in again once it is released", &stage.alice.get(&home).await)
}

fn where_it_ended(came: &Result<Answer, VisitError>) -> String {
    match came {
        Ok(answer) => format!("{} at {}", answer.status.as_u16(), address(answer)),
        Err(error) => error.to_string(),
    }
}

/// Without its query, which is long.
fn address(answer: &Answer) -> String {
    let mut url = answer.url.clone();
    url.set_query(None);
    url.to_string()
}
