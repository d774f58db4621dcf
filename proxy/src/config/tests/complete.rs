//! Settings that are right: what each is taken to mean, and what is taken where nothing is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sekisho_certs::files::Readers;

use super::fixture::{COMPLETE, folder, load, load_with, words};
use crate::config::document::{self, Node, Value};
use crate::config::raw::Root;
use crate::config::setting::{Setting as _, Shape};
use crate::config::{
    Admit, Approval, AuditSync, Config, CorsPreflight, CrossSite, DeviceAuthorityKind, DeviceIdSource, DeviceNaming, KeySource,
    Landlock, Policies, PublicPath, ReportFormat, SyslogAddress, UpstreamProtocol, UpstreamScheme,
};

use crate::secret::Digest;

const MINUTE: Duration = Duration::from_secs(60);

fn loaded(text: &str, base: &Path) -> Config {
    load(text, base).unwrap_or_else(|problems| panic!("{:#?}", words(&problems, base)))
}

#[test]
fn the_complete_sample_has_every_key() {
    let mut problems = Vec::new();
    let mut written = BTreeSet::new();
    gather_written(&document::parse(COMPLETE, &mut problems), "", &mut written);
    let mut known = BTreeSet::new();
    gather_known(Root::SHAPE, "", &mut known);
    // It excludes `dir`, and has a test of its own.
    assert!(known.remove(".policies.text"));
    assert_eq!(written, known);
    assert_eq!(problems, []);
}

fn gather_written(node: &Node, path: &str, found: &mut BTreeSet<String>) {
    match &node.value {
        Value::Table(entries) => {
            for (name, node) in entries {
                found.insert(format!("{path}.{name}"));
                gather_written(node, &format!("{path}.{name}"), found);
            }
        }
        Value::List(nodes) => nodes.iter().for_each(|node| gather_written(node, path, found)),
        _ => {}
    }
}

fn gather_known(shape: Shape, path: &str, found: &mut BTreeSet<String>) {
    match shape {
        Shape::Table(keys) => {
            for (name, shape) in keys {
                found.insert(format!("{path}.{name}"));
                gather_known(*shape, &format!("{path}.{name}"), found);
            }
        }
        Shape::List(shape) => gather_known(*shape, path, found),
        Shape::Text | Shape::Number | Shape::Flag => {}
    }
}

#[test]
fn the_gate_is_as_written() {
    let folder = folder();
    let base = folder.path();
    let config = loaded(COMPLETE, base);
    assert_eq!(config.state, base.join("state"));
    assert_eq!(config.cores, 2);
    assert_eq!(config.time_zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(config.max_fact_age, 120 * MINUTE);
    assert_eq!(config.listen.https.port(), 8443);
    assert_eq!(config.listen.public_port, 443);
    assert_eq!(config.listen.metrics_hosts, ["metrics.corp.example".parse().unwrap()]);
    assert_eq!(config.listen.admin, base.join("admin.sock"));
    assert_eq!(config.listen.proxy_protocol_from, ["10.0.0.0/8".parse().unwrap(), "fd00::1/128".parse().unwrap()]);
    assert_eq!(config.sign_in.host.as_str(), "gate.corp.example");
    assert_eq!(config.sign_in.session_lifetime, 480 * MINUTE);
    assert!(!config.sign_in.end_stolen_sessions);
    let shown = &config.server_certificates[0];
    assert_eq!((&shown.key, shown.readers), (&base.join("tls/corp.key"), Readers::Others));
    assert_eq!(config.policies, Policies::Folder(base.join("rules")));
    assert_eq!(config.candidate_dir, Some(base.join("rules.new")));
    assert_eq!(config.audit.sync, AuditSync::Interval(Duration::from_millis(200)));
    let keeping = &config.audit.keeping;
    assert_eq!((keeping.checkpoint_lines, keeping.checkpoint_every), (500, Duration::from_secs(5)));
    let command = keeping.command.as_ref().unwrap();
    assert_eq!((command.program.to_str(), command.arguments.len()), (Some("/bin/sh"), 2));
    assert_eq!(keeping.syslog, Some(SyslogAddress::Tcp("2001:db8::1".into(), 601)));
    assert_eq!(keeping.syslog.as_ref().map(ToString::to_string), Some("tcp:[2001:db8::1]:601".into()));
    assert_eq!(keeping.url.as_ref().map(ToString::to_string), Some("https://evidence.corp.example/sekisho?from=a".into()));
    assert_eq!((keeping.ca.len(), keeping.compress), (1, false));
    assert_eq!((keeping.keep_for, keeping.keep_size), (Some(90 * 1440 * MINUTE), Some(1 << 40)));
    assert_eq!((config.audit.rotate_size, config.audit.rotate_after), (64 << 20, 10 * MINUTE));
    let source = &*config.posture_sources[0];
    let (may, both) = (source.may_set, (source.devices, source.readers));
    assert_eq!((&*source.name, source.token), ("fleet", Digest::of(b"0123456789abcdef0123456789abcdef")));
    assert_eq!((may.posture, may.managed, may.platform), (true, true, true));
    assert_eq!((both, source.max_age), ((DeviceNaming::Alias, Readers::Others), 120 * MINUTE));
    let ReportFormat::Osquery(facts) = &source.format else { panic!("{:?}", source.format) };
    assert_eq!((facts[0].query.as_str(), facts[0].column.as_deref()), ("pack/health/disk", Some("encrypted")));
    assert_eq!(facts[0].fact, "disk_encrypted");
    let fact = &config.device_authorities[1].certificate_facts[0];
    let told = (&*fact.oid, fact.fact.as_str(), fact.value.as_deref());
    assert_eq!(told, ("1.3.6.1.4.1.99999.1", "managed", Some("corporate")));
    let own = config.enrolment;
    assert_eq!((own.self_service, own.devices_per_person, own.invitations_per_person), (true, 5, 2));
    assert!(config.admin.api);
    assert_eq!(config.limits.head_bytes, 32 << 10);
    assert_eq!(config.limits.body, 1 << 20);
    let limits = &config.limits;
    assert_eq!((limits.body_rate, limits.body_timeout, limits.handshakes_per_address), (1_000, 120 * MINUTE, 20));
    let requests = (limits.requests, limits.requests_per_address, limits.requests_per_device, limits.requests_per_user);
    assert_eq!(requests, (6000, 300, 400, 500));
    let process = &config.process;
    assert_eq!((process.landlock, process.allow_root), (Landlock::Require, true));
    assert_eq!((&process.readable[..], &process.writable[..]), (&["/srv/checkpoints".into()][..], &["/mnt/worm".into()][..]));
}

#[test]
fn every_file_that_is_read_is_known_and_what_is_the_gates_own_is_not_among_them() {
    let folder = folder();
    let base = folder.path();
    let config = loaded(COMPLETE, base);
    for name in
        ["tls/corp.pem", "tls/corp.key", "rules", "rules.new", "oidc-secret", "posture-token", "jwks.json", "ca.pem", "ca.crl"]
    {
        assert!(config.reads.contains(&base.join(name)), "{name}: {:?}", config.reads);
    }
    for own in [&config.state, &config.audit.dir, &config.listen.admin] {
        assert!(!config.reads.contains(own), "{own:?}");
    }
    assert!(config.reads.iter().all(|path| path.starts_with(base) || path.ends_with("bin/sh")), "{:?}", config.reads);
}

#[test]
fn who_vouches_is_as_written() {
    let folder = folder();
    let config = loaded(COMPLETE, folder.path());
    let [corp, robots] = &config.identity_providers[..] else { panic!("two providers") };
    assert_eq!(corp.issuer, "https://login.corp.example/realms/staff");
    let client = corp.client.as_ref().unwrap();
    assert_eq!(client.secret.as_ref().map(|secret| secret.expose().as_str()), Some("tell nobody"));
    assert_eq!((&client.scopes[..], client.readers), (&["profile", "email", "groups"].map(str::to_owned)[..], Readers::Others));
    assert!(!client.offline_access);
    assert_eq!(config.session_rules().fresh_for, 5 * MINUTE);
    assert_eq!(config.known_groups(), Some(["hr", "staff"].map(str::to_owned).into()));
    assert_eq!(corp.ca.len(), 1);
    assert!(matches!(corp.keys, KeySource::Discovery));
    assert!(matches!(&robots.keys, KeySource::File(path) if path.ends_with("jwks.json")));
    assert!(robots.client.is_none());
    let terminal = corp.terminal.as_ref().unwrap();
    assert_eq!((terminal.id.as_str(), terminal.scopes.len(), terminal.resource.is_some()), ("sekisho-login", 3, true));
    assert!(robots.terminal.is_none());
    assert_eq!((corp.service_clients.len(), robots.service_clients.len()), (1, 0));
    let [house, mdm, services] = &config.device_authorities[..] else { panic!("three authorities") };
    let &DeviceAuthorityKind::Builtin {
        approval: Approval::Code,
        certificate_lifetime,
        renewal_grace,
        renewal_overlap,
        ref tpm_roots,
    } = &house.kind
    else {
        panic!("ours")
    };
    let days = [certificate_lifetime, renewal_grace, renewal_overlap].map(|duration| duration.as_secs() / 86_400);
    assert_eq!((days, tpm_roots.len()), ([30, 10, 2], 1));
    let DeviceAuthorityKind::External { roots, crl, device_id, admit } = &mdm.kind else { panic!("not ours") };
    assert_eq!((roots.len(), crl.len(), device_id, *admit), (1, 2, &DeviceIdSource::SubjectCn, Admit::Any));
    let DeviceAuthorityKind::External { device_id, .. } = &services.kind else { panic!("not ours") };
    assert_eq!(device_id, &DeviceIdSource::Spiffe { trust_domain: "corp.example".into() });
}

#[test]
fn the_app_is_as_written() {
    let folder = folder();
    let config = loaded(COMPLETE, folder.path());
    let app = &config.apps[0];
    let [first, second] = &app.upstreams[..] else { panic!("two upstreams") };
    assert_eq!((first.scheme, &*first.host, first.port), (UpstreamScheme::Https, "10.0.0.5", 443));
    assert_eq!((second.scheme, &*second.host, second.port), (UpstreamScheme::Https, "wiki_b", 8444));
    assert_eq!(app.public, [PublicPath::Exact("/healthz".to_owned()), PublicPath::Below("/hooks".to_owned())]);
    assert_eq!((app.cors_preflight, app.cross_site), (CorsPreflight::Answer, CrossSite::Allow));
    assert_eq!(app.protocol, UpstreamProtocol::Http2);
    assert_eq!(app.timeouts.connect, Duration::from_millis(500));
    assert_eq!(app.health.as_ref().unwrap().interval, Duration::from_secs(5));
    assert_eq!(app.max_body, Some(10_000_000));
    assert_eq!(app.rate_limit, Some(crate::config::Rate { count: 600, per: MINUTE }));
    assert!(app.pass_authorization && !app.assertion);
    assert_eq!(app.client_certificate.as_ref().map(|files| files.readers), Some(Readers::Others));
}

#[test]
fn policies_may_be_in_the_file_itself() {
    let folder = folder();
    let text = format!(
        "{LEAST}[policies]\ntext = '''\n@id(\"all\")\npermit (principal, action, resource);\n'''\ncandidate = \"rules.new\""
    );
    let config = loaded(&text, folder.path());
    let expected = "@id(\"all\")\npermit (principal, action, resource);\n".to_owned();
    assert_eq!(config.policies, Policies::Text { name: "policies.text".into(), text: expected });
    assert!(!config.reads.contains(&folder.path().join("policies")), "no folder is opened for them: {:?}", config.reads);
    assert_eq!(config.candidate_dir, Some(folder.path().join("rules.new")));
    let by_environment =
        load_with(LEAST, folder.path(), &[("SEKISHO_POLICIES_TEXT", "permit (principal, action, resource);")]).unwrap();
    assert_eq!(by_environment.policies.to_string(), "SEKISHO_POLICIES_TEXT");
}

#[test]
fn what_others_may_read_is_taken_where_the_configuration_says_so() {
    let folder = folder();
    let open = LEAST.replace("tls/corp.key", "tls/corp-open.key");
    let secret = "[[identity_provider]]\nname = 'corp'\nissuer = 'https://login.corp.example'\nclient_id = 'sekisho'\nclient_secret_file = 'open-secret'\n";
    for text in [open.clone(), format!("{open}shared_key = false"), format!("{LEAST}{secret}")] {
        let problems = words(&load(&text, folder.path()).unwrap_err(), folder.path());
        assert!(problems[0].contains(" = true`"), "it names the way out: {problems:?}");
    }
    let config = loaded(&format!("{open}shared_key = true\n{secret}shared_secret_file = true"), folder.path());
    assert_eq!(config.server_certificates[0].readers, Readers::Others);
    let client = config.identity_providers[0].client.as_ref().unwrap();
    assert_eq!(client.secret.as_ref().map(|secret| secret.expose().as_str()), Some("tell nobody"));
}

pub(super) const LEAST: &str = r#"
[listen]
https = "0.0.0.0:443"
[sign_in]
host = "gate.corp.example"
[[server_certificate]]
chain = "tls/corp.pem"
key = "tls/corp.key"
"#;

#[test]
fn what_is_not_written_has_its_default() {
    let folder = folder();
    let text = format!(
        "{LEAST}
        [[app]]
        name = 'wiki'
        host = 'wiki.corp.example'
        upstream = ['http://[::1]:8080']
        [[identity_provider]]
        name = 'corp'
        issuer = 'https://login.corp.example'
        client_id = 'sekisho'
        [[device_authority]]
        name = 'house'
        builtin = true"
    );
    let config = loaded(&text, folder.path());
    assert_eq!(config.state, PathBuf::from("/var/lib/sekisho"));
    assert_eq!(config.policies, Policies::Folder(folder.path().join("policies")));
    assert_eq!(config.candidate_dir, None);
    assert_eq!((config.listen.http, config.listen.metrics, config.listen.public_port), (None, None, 443));
    assert_eq!((config.sign_in.session_lifetime, config.sign_in.idle_timeout), (720 * MINUTE, 60 * MINUTE));
    assert_eq!(config.audit.sync, AuditSync::Interval(Duration::from_secs(1)));
    assert_eq!((config.audit.rotate_size, config.audit.rotate_after), (256 << 20, 60 * MINUTE));
    assert_eq!(config.time_zone.iana_name(), Some("UTC"));
    assert_eq!(config.max_fact_age, 60 * MINUTE);
    assert!(config.cores >= 1);
    let app = &config.apps[0];
    assert_eq!((&*app.upstreams[0].host, app.upstreams[0].port), ("::1", 8080));
    assert_eq!((app.cors_preflight, app.cross_site), (CorsPreflight::Refuse, CrossSite::Refuse));
    assert_eq!(app.protocol, UpstreamProtocol::Http1);
    assert!(app.assertion && !app.pass_authorization && app.health.is_none() && app.device_authorities.is_none());
    let provider = &config.identity_providers[0];
    let client = provider.client.as_ref().unwrap();
    assert!(client.scopes == ["profile", "email"] && client.offline_access);
    assert_eq!((provider.refresh, provider.keys_refresh, provider.keys_max_age), (15 * MINUTE, 10 * MINUTE, 1440 * MINUTE));
    let builtin = DeviceAuthorityKind::Builtin {
        approval: Approval::Administrator,
        certificate_lifetime: 90 * 1440 * MINUTE,
        renewal_grace: 30 * 1440 * MINUTE,
        renewal_overlap: 7 * 1440 * MINUTE,
        tpm_roots: Vec::new(),
    };
    assert_eq!(config.device_authorities[0].kind, builtin);
    let own = config.enrolment;
    assert_eq!((own.self_service, own.devices_per_person, own.invitations_per_person), (false, 10, 3));
    assert!(!config.admin.api);
    let limits = &config.limits;
    assert_eq!((limits.connections, limits.connections_per_address, limits.headers, limits.h2_streams), (10_000, 256, 100, 128));
    assert_eq!((limits.head_bytes, limits.target_bytes, limits.body), (64 << 10, 8 << 10, 1 << 30));
    assert_eq!((limits.body_rate, limits.body_timeout, limits.handshakes_per_address), (100, 720 * MINUTE, 128));
    let requests = (limits.requests, limits.requests_per_address, limits.requests_per_device, limits.requests_per_user);
    assert_eq!(requests, (20_000, 1_000, 1_000, 1_000));
}
