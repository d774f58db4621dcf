use std::time::Duration;

use super::*;
use crate::inventory::samples::{key, session, user};
use crate::inventory::{DeviceStatus, Platform};
use crate::store::tests::Bench;
use crate::store::{Enrolment, FromProvider, InviteCode, NewDevice, SessionsOf};

const HOUR: Duration = Duration::from_secs(3600);
const LIMITS: OwnLimits = OwnLimits { devices: 4, invitations: 2 };
const ADMIN: Actor = Actor::Operator { uid: 1000, name: None };

fn ana() -> Oneself {
    Oneself { user: user("ana"), email: Some("ana@Corp.example".to_owned()) }
}

fn bob() -> Oneself {
    Oneself { user: user("bob"), email: None }
}

async fn give(registrar: &Registrar, name: &str, owner: Owner) -> DeviceId {
    enter(registrar, name, Some(owner)).await
}

async fn enter(registrar: &Registrar, name: &str, owner: Option<Owner>) -> DeviceId {
    let id: DeviceId = name.parse().unwrap();
    let new = NewDevice {
        id: id.clone(),
        authority: "mdm".into(),
        shared: owner.is_none(),
        owner,
        managed: false,
        platform: Platform::Linux,
        keys: Vec::new(),
    };
    registrar.add_device(new, &ADMIN, "").await.unwrap();
    id
}

/// On a device that does not count among theirs.
async fn invite(registrar: &Registrar, whose: &Oneself) -> Result<IssuedInvitation, BelongingError> {
    let desk = match registrar.inventory().device(&"desk".parse().unwrap()) {
        Some(desk) => desk.device.id.clone(),
        None => enter(registrar, "desk", None).await,
    };
    registrar.invite_for_oneself(whose, &desk, "house".into(), LIMITS, HOUR, "test").await
}

async fn enrol(registrar: &Registrar, code: &InviteCode, name: &str) -> Result<(), InvitationError> {
    let enrolment = Enrolment {
        id: name.parse().unwrap(),
        key: key(name),
        platform: Platform::Linux,
        tpm: None,
        status: DeviceStatus::Active,
    };
    registrar.enrol(code, enrolment, "").await.map(drop)
}

#[tokio::test]
async fn what_is_somebodys_is_theirs_alone_by_name_or_by_address() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    let own = give(&registrar, "lap-1", Owner::User(user("ana"))).await;
    give(&registrar, "lap-2", Owner::Email("ana@corp.example".to_owned())).await;
    give(&registrar, "lap-3", Owner::User(user("bob"))).await;
    give(&registrar, "lap-4", Owner::Email("bob@corp.example".to_owned())).await;
    let retired = give(&registrar, "lap-5", Owner::User(user("ana"))).await;
    registrar.retire_device(&retired, &ADMIN, "").await.unwrap();
    let names = |own: Belongings| own.devices.iter().map(|device| device.id.to_string()).collect::<Vec<_>>();
    assert_eq!(names(registrar.belongings(&ana()).await.unwrap()), ["lap-1", "lap-2"]);
    // Nobody vouches for an address of his.
    assert_eq!(names(registrar.belongings(&bob()).await.unwrap()), ["lap-3"]);

    assert!(registrar.name_device(&ana(), &own, "  At\u{7} home ", "").await.unwrap());
    assert!(!registrar.name_device(&ana(), &own, "At  home", "").await.unwrap(), "nothing is different");
    let refused = registrar.name_device(&bob(), &own, "Mine", "").await.unwrap_err();
    assert!(matches!(refused, BelongingError::NotYours), "{refused}");
    let nobodys = registrar.name_device(&bob(), &"lap-99".parse().unwrap(), "Mine", "").await.unwrap_err();
    assert_eq!(nobodys.to_string(), refused.to_string(), "what there is, is nobody else's business");
    assert_eq!(registrar.belongings(&ana()).await.unwrap().devices[0].label.as_deref(), Some("At  home"));
    assert_eq!(registrar.device_history(&own, 9).await.unwrap()[0].what, "named");
    assert!(registrar.name_device(&ana(), &own, "", "").await.unwrap());
    assert_eq!(registrar.belongings(&ana()).await.unwrap().devices[0].label, None);
}

#[tokio::test]
async fn a_person_has_only_so_many_invitations_and_devices() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    give(&registrar, "lap-1", Owner::User(user("ana"))).await;
    let first = invite(&registrar, &ana()).await.unwrap();
    invite(&registrar, &ana()).await.unwrap();
    let third = invite(&registrar, &ana()).await.unwrap_err();
    assert!(matches!(third, BelongingError::InvitationLimit { most: 2 }), "{third}");
    invite(&registrar, &bob()).await.expect("his are his own");

    enrol(&registrar, &first.code, "lap-2").await.unwrap();
    let made = registrar.inventory().device(&"lap-2".parse().unwrap()).unwrap();
    assert_eq!((made.device.owner.clone(), made.device.managed), (Some(Owner::User(user("ana"))), false));
    invite(&registrar, &ana()).await.expect("one was used");
    // Two devices and two invitations: that is all.
    enrol(&registrar, &invite(&registrar, &bob()).await.unwrap().code, "lap-3").await.unwrap();
    let open = registrar.belongings(&ana()).await.unwrap().invitations;
    registrar.withdraw_invitation(&user("ana"), &open[0].id, "").await.unwrap();
    give(&registrar, "lap-4", Owner::User(user("ana"))).await;
    let fifth = invite(&registrar, &ana()).await.unwrap_err();
    assert!(matches!(fifth, BelongingError::DeviceLimit { most: 4 }), "{fifth}");
}

#[tokio::test]
async fn what_was_withdrawn_expired_or_is_of_the_suspended_opens_nothing() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    let withdrawn = invite(&registrar, &ana()).await.unwrap();
    let refused = registrar.withdraw_invitation(&user("bob"), &withdrawn.invitation.id, "").await.unwrap_err();
    assert!(matches!(refused, BelongingError::NotYours), "{refused}");
    registrar.invitation(&withdrawn.code).await.expect("it is still open");
    registrar.withdraw_invitation(&user("ana"), &withdrawn.invitation.id, "").await.unwrap();
    assert!(matches!(registrar.invitation(&withdrawn.code).await, Err(InvitationError::Unknown)));
    assert!(matches!(enrol(&registrar, &withdrawn.code, "lap-1").await, Err(InvitationError::Unknown)));
    let twice = registrar.withdraw_invitation(&user("ana"), &withdrawn.invitation.id, "").await.unwrap_err();
    assert!(matches!(twice, BelongingError::NotYours), "{twice}");

    // What she invited is gone with her access, and what an administrator invited for her waits until she is back.
    let of_ana = invite(&registrar, &ana()).await.unwrap();
    let for_ana =
        Invite { authority: "house".into(), owner: Some(Owner::User(user("ana"))), shared: false, managed: true, device: None };
    let for_ana = registrar.invite(for_ana, HOUR, &ADMIN, "").await.unwrap();
    registrar.suspend_user(&user("ana"), &ADMIN, "").await.unwrap();
    for code in [&of_ana.code, &for_ana.code] {
        assert!(matches!(enrol(&registrar, code, "lap-1").await, Err(InvitationError::Unknown)));
    }
    registrar.resume_user(&user("ana"), &ADMIN, "").await.unwrap();
    assert!(matches!(registrar.invitation(&of_ana.code).await, Err(InvitationError::Unknown)));
    registrar.invitation(&for_ana.code).await.expect("she is back");
    bench.clock().advance(HOUR);
    assert!(matches!(registrar.invitation(&for_ana.code).await, Err(InvitationError::Expired { .. })));
    assert_eq!(registrar.belongings(&ana()).await.unwrap().invitations, []);
}

#[tokio::test]
async fn an_invitation_for_an_address_waits_while_whoever_has_it_is_suspended() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    let desk = enter(&registrar, "desk", None).await;
    let session = session("s-1", "bob", desk.as_str(), bench.clock().now());
    registrar.start_session(session, FromProvider::default(), "").await.unwrap();
    let invite = Invite {
        authority: "house".into(),
        owner: Some(Owner::Email("bob@Corp.example".to_owned())),
        shared: false,
        managed: false,
        device: None,
    };
    let issued = registrar.invite(invite, HOUR, &ADMIN, "").await.unwrap();
    registrar.suspend_user(&user("bob"), &ADMIN, "").await.unwrap();
    assert!(matches!(enrol(&registrar, &issued.code, "lap-1").await, Err(InvitationError::Unknown)));
    registrar.resume_user(&user("bob"), &ADMIN, "").await.unwrap();
    enrol(&registrar, &issued.code, "lap-1").await.unwrap();
}

/// Somebody who had her laptop and her password for an hour has nothing of it afterwards.
#[tokio::test]
async fn what_was_invited_on_a_device_that_is_stopped_opens_nothing() {
    let bench = Bench::new();
    let registrar = bench.open().await;
    let on_the_desk = invite(&registrar, &ana()).await.unwrap();
    let desk: DeviceId = "desk".parse().unwrap();
    registrar.quarantine_device(&desk, &ADMIN, "").await.unwrap();
    assert!(matches!(registrar.invitation(&on_the_desk.code).await, Err(InvitationError::Unknown)));
    assert!(matches!(enrol(&registrar, &on_the_desk.code, "lap-1").await, Err(InvitationError::Unknown)));
    registrar.release_device(&desk, &ADMIN, "").await.unwrap();
    registrar.invitation(&on_the_desk.code).await.expect("it was a false alarm");
    // All her sessions were ended: whoever began one of them may have invited it.
    registrar.end_sessions(&SessionsOf::User(user("bob")), &ADMIN, "").await.unwrap();
    registrar.invitation(&on_the_desk.code).await.expect("that was somebody else");
    registrar.end_sessions(&SessionsOf::User(user("ana")), &ADMIN, "").await.unwrap();
    assert!(matches!(registrar.invitation(&on_the_desk.code).await, Err(InvitationError::Unknown)));
}
