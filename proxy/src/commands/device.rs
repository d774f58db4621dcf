//! `sekisho device`: invite, invitations, list, show, add, approve, set, quarantine, release, retire.

use std::time::Duration;

use clap::{Args, Subcommand};
use sekisho_certs::fingerprint;
use serde_json::Value;

use super::device_facts::{self, FactArgs};
use super::error::CommandError;
use super::invitations::Invitations;
use super::output::{Table, plain, print, print_json, time};
use super::reach::Reach;
use crate::config::parse_duration;
use crate::console::admin::wire::{
    AddRequest, ApproveRequest, DeviceAnswer, DeviceDetails, DeviceView, InviteAnswer, InviteRequest, OwnerRequest, UsageView,
    WhyRequest,
};
use crate::inventory::{DeviceId, DeviceStatus, KeyFingerprint, Owner, Platform};
use crate::store::Attestation;

/// Devices: let them in, look at them, stop them.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sekisho device list --status pending")]
pub struct DeviceCommand {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    reach: Reach,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a one-time code that lets one device enrol
    #[command(after_help = "Example:\n  sekisho device invite --owner ana@corp.example --managed --reason \"new laptop\"")]
    Invite(Invite),
    /// Invitations that are open: list them, take one back
    #[command(subcommand, after_help = "Example:\n  sekisho device invitations list")]
    Invitations(Invitations),
    /// List devices
    #[command(after_help = "Example:\n  sekisho device list --status pending")]
    List {
        /// Only those that are pending, active, quarantined or retired
        #[arg(long, value_parser = status)]
        status: Option<DeviceStatus>,
        /// Only those of this owner: an e-mail address or provider/subject
        #[arg(long)]
        owner: Option<String>,
    },
    /// Show one device: its keys, its sessions, what happened to it
    #[command(after_help = "Example:\n  sekisho device show ana-7k2q")]
    Show {
        /// The device
        id: String,
    },
    /// Enter a device of an external authority (admit = "listed")
    #[command(after_help = "Example:\n  sekisho device add lap-0042 --authority mdm --owner ana@corp.example --managed")]
    Add(Add),
    /// Let a pending device in, after comparing its key's fingerprint
    #[command(
        after_help = "Example:\n  sekisho device approve ana-7k2q --fingerprint \"7d2f 90aa …\"   (as `sekisho enroll` shows it on the device)"
    )]
    Approve {
        /// The device
        id: String,
        /// The fingerprint that the device shows: 64 hex digits; spaces and colons do not count
        #[arg(long, value_parser = fingerprint_of)]
        fingerprint: KeyFingerprint,
        #[command(flatten)]
        why: Why,
    },
    /// Say what is known of a device: facts of its posture, whether it is managed, what it runs
    #[command(
        after_help = "Example:\n  sekisho device set ana-7k2q managed=true disk_encrypted=true --reason \"checked by hand\""
    )]
    Set(Set),
    /// Isolate a device now
    #[command(after_help = "Example:\n  sekisho device quarantine ana-7k2q --reason \"malware found\"")]
    Quarantine(Lever),
    /// Take a quarantine back
    #[command(after_help = "Example:\n  sekisho device release ana-7k2q --reason \"installed anew\"")]
    Release(Lever),
    /// Take a device out for good; its id is never given again
    #[command(after_help = "Example:\n  sekisho device retire ana-7k2q --reason \"sold\"")]
    Retire(Lever),
}

#[derive(Debug, Args)]
struct Invite {
    /// Whose device it will be: an e-mail address, or provider/subject
    #[arg(long, required_unless_present = "shared")]
    owner: Option<String>,
    /// Id for the device; otherwise made from the owner's name
    #[arg(long)]
    id: Option<DeviceId>,
    /// Used by several people
    #[arg(long)]
    shared: bool,
    /// Administered by the company
    #[arg(long)]
    managed: bool,
    /// How long the code can be used, such as 30m, 24h or 7d
    #[arg(long, default_value = "24h", value_parser = lifetime)]
    lifetime: Duration,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Args)]
struct Add {
    /// Its name in its authority's certificates, or its id, as a refusal on the device shows it
    id: String,
    /// The external authority
    #[arg(long)]
    authority: String,
    /// Whose device it is: an e-mail address, or provider/subject
    #[arg(long)]
    owner: Option<String>,
    /// Used by several people
    #[arg(long)]
    shared: bool,
    /// Administered by the company
    #[arg(long)]
    managed: bool,
    /// Only with this key; otherwise with any certificate of its authority that names it
    #[arg(long, value_name = "FINGERPRINT", value_parser = fingerprint_of)]
    key: Vec<KeyFingerprint>,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Args)]
struct Set {
    /// The device
    id: String,
    #[command(flatten)]
    facts: FactArgs,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Args)]
struct Lever {
    /// The device
    id: String,
    #[command(flatten)]
    why: Why,
}

#[derive(Debug, Args)]
pub(super) struct Why {
    /// Why; recorded with the change
    #[arg(long, default_value = "", hide_default_value = true, value_parser = super::why::reason)]
    pub(super) reason: String,
}

impl DeviceCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`CommandError`] in words, with the exit code.
    pub async fn run(self) -> Result<(), CommandError> {
        let (client, json) = (self.reach.client()?, self.json);
        match self.what {
            What::Invite(invite) => {
                let answer: Value = client.post("/v1/invitations", &invite.into_request()).await?;
                show(json, answer, invited)
            }
            What::Invitations(what) => what.run(&client, json).await,
            What::List { status, owner } => {
                let mut devices: Vec<DeviceView> = match owner {
                    Some(owner) => client.post("/v1/devices/of", &OwnerRequest { owner }).await?,
                    None => client.get("/v1/devices").await?,
                };
                devices.retain(|view| status.is_none_or(|status| view.device.status == status));
                if json { print_json(&devices) } else { print(&list(&devices)) }
            }
            What::Show { id } => {
                let answer: Value = client.get(&path(&id, None)?).await?;
                show(json, answer, described)
            }
            What::Add(add) => {
                let answer: Value = client.post("/v1/devices", &add.into_request()).await?;
                show(json, answer, changed)
            }
            What::Approve { id, fingerprint, why } => {
                let request = ApproveRequest { fingerprint, why: why.reason };
                let answer: Value = client.post(&path(&id, Some("approve"))?, &request).await?;
                show(json, answer, changed)
            }
            What::Set(set) => {
                let request = set.facts.into_request(set.why.reason)?;
                let answer: Value = client.post(&path(&set.id, Some("set"))?, &request).await?;
                show(json, answer, known)
            }
            What::Quarantine(lever) => show(json, pull(&client, "quarantine", lever).await?, pulled),
            What::Release(lever) => show(json, pull(&client, "release", lever).await?, pulled),
            What::Retire(lever) => show(json, pull(&client, "retire", lever).await?, pulled),
        }
    }
}

impl Invite {
    fn into_request(self) -> InviteRequest {
        InviteRequest {
            owner: self.owner,
            device: self.id,
            shared: self.shared,
            managed: self.managed,
            lifetime_s: Some(self.lifetime.as_secs()),
            why: self.why.reason,
        }
    }
}

impl Add {
    fn into_request(self) -> AddRequest {
        AddRequest {
            id: self.id,
            authority: self.authority,
            owner: self.owner,
            shared: self.shared,
            managed: self.managed,
            platform: Platform::Unknown,
            keys: self.key,
            why: self.why.reason,
        }
    }
}

async fn pull(client: &super::admin_client::AdminClient, lever: &str, with: Lever) -> Result<Value, CommandError> {
    client.post(&path(&with.id, Some(lever))?, &WhyRequest { why: with.why.reason }).await
}

/// Whole as JSON, or as `words` put it.
fn show<T: serde::de::DeserializeOwned>(json: bool, answer: Value, words: impl FnOnce(&T) -> String) -> Result<(), CommandError> {
    if json {
        return print_json(&answer);
    }
    let told = serde_json::from_value(answer)
        .map_err(|error| CommandError::Failed(format!("the gate's answer is not as expected: {error}")))?;
    print(&words(&told))
}

fn invited(answer: &InviteAnswer) -> String {
    let then = if answer.needs_approval {
        "Then compare the fingerprint that it shows, and let it in:\n\n    sekisho device approve ID --fingerprint FINGERPRINT\n"
    } else {
        "The code is enough: whoever has it enrols a device.\n"
    };
    format!(
        "Code, for one device, until {}:\n\n    {}\n\nHand it over in a way that only its person can read; it is not shown again. On the device:\n\n    \
         sekisho enroll --gate {}\n\n{then}",
        time(answer.expires_at),
        answer.code,
        answer.gate,
    )
}

pub(super) fn list(devices: &[DeviceView]) -> String {
    let mut table = Table::new(&["DEVICE", "STATUS", "OWNER", "AUTHORITY", "PLATFORM", "KEY", "SESSIONS", "ENROLLED"]);
    for view in devices {
        let device = &view.device;
        table.row(&[
            device.id.to_string(),
            device.status.to_string(),
            owner_text(&device.owner) + if device.shared { " (shared)" } else { "" },
            device.authority.to_string(),
            device.platform.to_string(),
            device.keys.first().map_or_else(|| "any".to_owned(), |key| key.short()),
            view.sessions.to_string(),
            time(device.enrolled_at),
        ]);
    }
    table.text("no devices")
}

fn described(details: &DeviceDetails) -> String {
    let device = &details.view.device;
    let yes = |flag: bool| if flag { "yes" } else { "no" };
    let mut lines = vec![
        format!("device          {}", device.id),
        format!("status          {}", device.status),
        format!("owner           {}", owner_text(&device.owner)),
        format!("authority       {}", device.authority),
        format!("platform        {}", device.platform),
        format!("managed         {}", yes(device.managed)),
        format!("shared          {}", yes(device.shared)),
        format!("key protection  {}", device.key_protection),
        format!("enrolled        {}", time(device.enrolled_at)),
        format!("sessions        {}", details.view.sessions),
    ];
    for key in &device.keys {
        lines.push(format!("key             {}", fingerprint::for_people(&key.0)));
        lines.extend(details.attestations.iter().filter(|proved| proved.key == *key).map(in_tpm));
    }
    let usage = used(&details.usage);
    lines.extend(device_facts::posture(details));
    let said = device_facts::said(details);
    lines.push("history".to_owned());
    let mut table = Table::new(&["  WHEN", "WHAT", "BY", "WHY"]);
    for change in &details.history {
        table.row(&[
            format!("  {}", time(crate::clock::Timestamp(change.at))),
            change.what.clone(),
            change.by.clone(),
            change.why.clone(),
        ]);
    }
    let mut text: String = lines.iter().map(|line| plain(line) + "\n").collect();
    text.push_str(&table.text("  nothing is kept"));
    text + &said + &usage
}

/// In which TPM a key is, and who else is in it.
fn in_tpm(Attestation { endorsement, at, also, .. }: &Attestation) -> String {
    let also: Vec<&str> = also.iter().map(DeviceId::as_str).collect();
    let also = if also.is_empty() { String::new() } else { format!("; the same TPM is that of {}", also.join(", ")) };
    format!("  in the TPM    {}, proved {}{also}", endorsement.short(), time(*at))
}

/// What people have had on a device, if they had something.
fn used(usage: &[UsageView]) -> String {
    if usage.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["  USER", "APP", "REQUESTS 1 MIN", "BYTES 1 H", "BYTES 1 DAY"]);
    for view in usage {
        let [requests, hour, day] = [view.requests_1m, view.bytes_1h, view.bytes_1d].map(|figure| figure.to_string());
        table.row(&[format!("  {}", view.user), view.app.clone(), requests, hour, day]);
    }
    format!("usage\n{}", table.text(""))
}

fn changed(view: &DeviceView) -> String {
    format!("device `{}` is {}\n", view.device.id, view.device.status)
}

/// What is known of it now.
fn known(answer: &DeviceAnswer) -> String {
    let device = &answer.view.device;
    let mut text = format!("device `{}`: {}\n", device.id, device_facts::in_short(device));
    if device.status != DeviceStatus::Active {
        text.push_str(&format!("it is {}\n", device.status));
    }
    text
}

/// What a lever did, and what it means for the sessions on the device.
fn pulled(answer: &DeviceAnswer) -> String {
    let DeviceAnswer { view, ended } = answer;
    let sessions = |count: usize, one: &str, several: &str| match count {
        0 => String::new(),
        1 => format!("; {one}"),
        _ => format!("; {}", several.replace("{}", &count.to_string())),
    };
    let about = match view.device.status {
        DeviceStatus::Quarantined => sessions(
            view.sessions,
            "the session on it is of no use until it is released",
            "the {} sessions on it are of no use until it is released",
        ),
        DeviceStatus::Retired => sessions(*ended, "the session on it was ended", "the {} sessions on it were ended"),
        DeviceStatus::Active => sessions(view.sessions, "the session on it can be used", "the {} sessions on it can be used"),
        DeviceStatus::Pending => String::new(),
    };
    format!("device `{}` is {}{about}\n", view.device.id, view.device.status)
}

pub(super) fn owner_text(owner: &Option<Owner>) -> String {
    match owner {
        Some(Owner::User(user)) => user.to_string(),
        Some(Owner::Email(email)) => email.clone(),
        None => "-".to_owned(),
    }
}

/// A wrong id is refused by the gate with near matches, as long as it can stand in a path.
fn path(id: &str, lever: Option<&str>) -> Result<String, CommandError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if id.is_empty() || !id.chars().all(plain) {
        return Err(CommandError::usage(crate::inventory::InvalidDeviceId));
    }
    Ok(match lever {
        Some(lever) => format!("/v1/devices/{id}/{lever}"),
        None => format!("/v1/devices/{id}"),
    })
}

/// A fingerprint as people copy it.
fn fingerprint_of(text: &str) -> Result<KeyFingerprint, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | ':' | '-')).collect();
    digits.parse().map_err(|_| "a fingerprint is 64 hex digits; spaces and colons between them do not count".to_owned())
}

fn status(text: &str) -> Result<DeviceStatus, String> {
    let all = [DeviceStatus::Pending, DeviceStatus::Active, DeviceStatus::Quarantined, DeviceStatus::Retired];
    all.into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| "one of pending, active, quarantined, retired".to_owned())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_people_copy_them() {
        let key = KeyFingerprint::of(b"k");
        let shown = fingerprint::for_people(&key.0);
        assert_eq!(fingerprint_of(&shown), Ok(key));
        assert_eq!(fingerprint_of(&key.to_string().to_uppercase()), Ok(key));
        assert!(fingerprint_of(&key.short()).is_err(), "a part of it is not enough");
    }

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        assert_eq!(path("lap-1", Some("retire")).unwrap(), "/v1/devices/lap-1/retire");
        for wrong in ["", "a/b", "a?b", "a#b", "a%2fb", "a b", "é"] {
            assert!(path(wrong, None).is_err(), "{wrong}");
        }
    }
}
