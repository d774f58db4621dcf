//! Claims beside the policies: what a solver refutes never goes live. And policies laid out by a command.

use crate::harness::{House, POLICIES, Said, allowed, refused};

const CLAIM: &str =
    "[[proof]]\nname = \"guests-have-no-wiki\"\napp = \"wiki\"\naction = \"use\"\nnever = 'principal in Group::\"guests\"'\n";
const NO_GUESTS: &str = "\n@id(\"no-guests\")\nforbid (principal in Group::\"guests\", action in Action::\"use\", resource);\n";

fn words(said: &Said) -> String {
    format!("{}{}", said.out, said.err)
}

#[tokio::test]
async fn a_set_with_a_refuted_claim_never_goes_live() {
    let mut house = House::open().await;
    let laptop = house.laptop("lap-7", "alice").await;
    let alice = house.signed_in(&laptop, "alice").await;
    let config = house.config().display().to_string();

    // A claim that holds goes live with its policies, and the gate does what it did.
    std::fs::create_dir(house.path().join("policies/prove")).unwrap();
    house.set_policies(&format!("{POLICIES}{NO_GUESTS}"));
    house.write("policies/prove/guests.toml", CLAIM);
    house.must(&["reload"]).await;
    allowed(&alice.get(&house.url("wiki", "/a")).await);

    // Without the forbid somebody can be in two groups. The claim says so, and the old set stays.
    house.set_policies(&format!("{POLICIES}\n@id(\"nobody-writes\")\nforbid (principal, action, resource == App::\"wiki\") when {{ context.request.path == \"/b\" }};\n"));
    for arguments in [&["reload"][..], &["check", "--config", &config]] {
        let said = house.command(arguments).await;
        assert_eq!(said.code, Some(1), "{arguments:?}: {said:?}");
        let text = words(&said);
        assert!(text.contains("guests-have-no-wiki") && text.contains("guests"), "{text}");
    }
    allowed(&alice.get(&house.url("wiki", "/b")).await);

    // The twin: the same change, without the claim.
    std::fs::remove_file(house.path().join("policies/prove/guests.toml")).unwrap();
    house.must(&["reload"]).await;
    refused(&alice.get(&house.url("wiki", "/b")).await, 403);
}

#[tokio::test]
async fn policies_are_laid_out_by_a_command_and_a_mistake_leaves_them_alone() {
    let mut house = House::open().await;
    let untidy =
        "// Who reads.\n@id(\"read\") permit(principal,action==Action::\"read\",resource)when{context.device.managed};\n";
    house.set_policies(untidy);
    let config = house.config().display().to_string();
    let folder = house.path().join("policies");
    let file = || {
        let mut all = String::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "cedar") {
                all += &std::fs::read_to_string(path).unwrap();
            }
        }
        all
    };
    let said = house.command(&["policy", "fmt", "--check", "--config", &config]).await;
    assert_eq!((said.code, file().as_str()), (Some(1), untidy), "{said:?}");
    house.must(&["policy", "fmt", "--config", &config]).await;
    assert_ne!(file(), untidy);
    assert!(file().starts_with("// Who reads.\n@id(\"read\")\npermit"), "{}", file());
    house.must(&["policy", "fmt", "--check", "--config", &config]).await;

    let broken = untidy.replace("};", "");
    house.set_policies(&broken);
    let said = house.command(&["policy", "fmt", "--config", &config]).await;
    assert_eq!((said.code, file().as_str()), (Some(1), broken.as_str()), "{said:?}");
}
