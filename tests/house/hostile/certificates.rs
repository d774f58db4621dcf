//! Device certificates, their authorities and their lists.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CrlIssuingDistributionPoint, DnType, DnValue,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::harness::{Authority, Hand, Identity, Over, Town, WITHDRAWN, openssl, openssl_get};

const DEVICE: &str = "urn:town:device/a1";

/// Holds: 31.
#[tokio::test]
async fn a_certificate_for_something_else_is_no_device() {
    let town = Town::open().await;
    let with = |change: &dyn Fn(&mut CertificateParams)| town.a.device_with(DEVICE, |leaf| change(leaf));
    let purposes = |purposes: &[ExtendedKeyUsagePurpose]| with(&|leaf| leaf.extended_key_usages = purposes.to_vec());
    let now = OffsetDateTime::now_utc();
    let mut another_key = town.good();
    another_key.key = KeyPair::generate().unwrap().serialize_pem();
    let mut self_signed = CertificateParams::default();
    self_signed.subject_alt_names = vec![SanType::URI(DEVICE.try_into().unwrap())];
    self_signed.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let self_signed = Identity { chain: self_signed.self_signed(&key).unwrap().pem(), key: key.serialize_pem() };
    let p521 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    let ends_at_a_leaf = {
        // A device that signs devices.
        let device = town.a.below("a device", |leaf| {
            leaf.is_ca = IsCa::ExplicitNoCa;
            leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        });
        behind(&device, device.device(DEVICE, 1, 30))
    };
    for (what, identity, status, reason) in [
        ("for servers", purposes(&[ExtendedKeyUsagePurpose::ServerAuth]), 403, "certificate_wrong_purpose"),
        ("for e-mail", purposes(&[ExtendedKeyUsagePurpose::EmailProtection]), 403, "certificate_wrong_purpose"),
        ("for anything", purposes(&[ExtendedKeyUsagePurpose::Any]), 403, "certificate_wrong_purpose"),
        ("for nothing that it says", purposes(&[]), 403, "certificate_wrong_purpose"),
        (
            "may not sign",
            with(&|leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyAgreement, KeyUsagePurpose::KeyEncipherment]),
            403,
            "certificate_wrong_purpose",
        ),
        ("an authority's", with(&|leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), 403, "certificate_is_authority"),
        ("the authority itself", Identity { chain: town.a.pem(), key: town.a.key_pem() }, 403, "certificate_is_authority"),
        ("over", with(&|leaf| leaf.not_after = now - Duration::minutes(1)), 403, "certificate_expired"),
        ("to come", with(&|leaf| leaf.not_before = now + Duration::hours(1)), 403, "certificate_not_yet_valid"),
        ("made by itself", self_signed, 403, "certificate_unknown_authority"),
        ("of another authority", town.b.device(DEVICE, 1, 30), 403, "device_authority"),
        (
            "of another of the same name",
            Authority::new("Authority A").device(DEVICE, 1, 30),
            403,
            "certificate_unknown_authority",
        ),
        ("signed by a device", ends_at_a_leaf, 403, "certificate_chain"),
        ("with another's key", another_key, 0, ""),
        ("with a key of an unusual kind", town.a.device_with_key(DEVICE, &p521, |_| ()), 403, "certificate_weak_algorithm"),
    ] {
        let path = format!("/not/{}", what.replace(' ', "-"));
        let heard = town.admits(Some(&identity), &path).await;
        assert_eq!(heard.status.unwrap_or(0), status, "{what}: {heard:?}");
        assert_eq!(heard.reason(), reason, "{what}: {heard:?}");
        assert!(!town.house.wiki.has_seen(&path), "{what}");
    }
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    for (what, identity) in [
        ("good", town.good()),
        ("clients and servers", purposes(&[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth])),
        ("no key usage", with(&|leaf| leaf.key_usages.clear())),
        ("Ed25519", town.a.device_with_key(DEVICE, &ed25519, |_| ())),
    ] {
        let heard = town.admits(Some(&identity), "/yes").await;
        assert!(heard.is_served(), "{what}: {heard:?}");
    }
}

/// Holds: 31.
#[tokio::test]
async fn a_weak_signature_or_key_is_no_proof() {
    let town = Town::open().await;
    let folder = town.house.path();
    town.house.write("ca.pem", &town.a.pem());
    town.house.write("ca.key", &town.a.key_pem());
    town.house
        .write("leaf.ext", &format!("subjectAltName=URI:{DEVICE}\nextendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\n"));
    for (name, key, digest, passes) in [
        ("rsa1024", "rsa -pkeyopt rsa_keygen_bits:1024", "sha256", false),
        ("sha1", "ec -pkeyopt ec_paramgen_curve:P-256", "sha1", false),
        ("p256", "ec -pkeyopt ec_paramgen_curve:P-256", "sha256", true),
        ("rsa2048", "rsa -pkeyopt rsa_keygen_bits:2048", "sha256", true),
    ] {
        openssl(folder, &format!("genpkey -algorithm {key} -out {name}.key")).await;
        openssl(folder, &format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr")).await;
        openssl(
            folder,
            &format!("x509 -req -in {name}.csr -{digest} -CA ca.pem -CAkey ca.key -set_serial 7 -days 2 -extfile leaf.ext -out {name}.pem"),
        )
        .await;
        let file = |end: &str| folder.join(format!("{name}.{end}")).display().to_string();
        let path = format!("/weak/{name}");
        for over in [Over::Http1, Over::Http2] {
            let shows = Some((file("pem"), file("key")));
            let shows = shows.as_ref().map(|(chain, key)| (chain.as_str(), key.as_str()));
            let heard =
                openssl_get(town.house.port(), Some("admin.test"), over, shows, ("admin.test", &path), &town.credentials()).await;
            assert_eq!(heard.is_served(), passes, "{name} {over:?}: {heard:?}");
        }
        assert_eq!(town.house.wiki.has_seen(&path), passes, "{name}");
    }
}

/// Holds: 33.
#[tokio::test]
async fn names_in_certificates_are_never_structure() {
    let more = |plan: crate::harness::Plan, name: &str, from: &str, authority: &Authority| {
        plan.file(&format!("roots-{name}.pem"), &authority.pem())
            .set("end", &format!("[[device_authority]]\nname = \"{name}\"\nroots = \"roots-{name}.pem\"\ndevice_id = \"{from}\"\nadmit = \"any\""))
            .app_at(
                name,
                &format!("{name}.wild.test"),
                &format!("upstream = [\"{{wiki}}\"]\ndevice_authorities = [\"{name}\"]"),
            )
    };
    let (cn, dns, uri) = (Authority::new("By common name"), Authority::new("By DNS name"), Authority::new("By URI"));
    let town =
        Town::with(|plan| more(more(more(plan, "cn", "subject-cn", &cn), "dns", "san-dns", &dns), "uri", "san-uri", &uri)).await;
    let hand = Hand::new(town.house.port(), &rustls::version::TLS13);
    let as_device = async |host: &str, identity: &Identity, path: &str| {
        hand.forget();
        hand.show(Some(identity));
        let host = format!("{host}.wild.test");
        town.get(&hand, Some(&host), Over::Http1, &host, path).await
    };
    let named = |value: DnValue| {
        cn.device_with(DEVICE, |leaf| {
            leaf.distinguished_name = rcgen::DistinguishedName::new();
            leaf.distinguished_name.push(DnType::CommonName, value);
        })
    };
    let text = |text: &str| DnValue::Utf8String(text.to_owned());
    for evil in [
        "x,O=wheel",
        "x, O = wheel",
        "x;y",
        "x\"y",
        "x\\,y",
        "x\r\nX-Forwarded-User: root",
        "x\ny",
        "x\u{0}y",
        "x/O=wheel\u{0}",
        "x\u{202e}nimda",
        "x\u{200b}y",
        "x y",
        " x",
        "bücher",
        "x<script>",
        "#04024869",
        "x?y",
        "",
        "%78",
        "x*",
    ] {
        let heard = as_device("cn", &named(text(evil)), "/evil").await;
        assert_eq!(heard.status, Some(403), "{evil:?}: {heard:?}");
        let reasons = ["certificate_foreign_identity", "certificate_malformed", "certificate_no_identity"];
        assert!(reasons.contains(&heard.reason().as_str()), "{evil:?}: {heard:?}");
    }
    // What is plain text and no device id is known by a digest: no two are the same, and none is another's plain name.
    let mut devices = std::collections::BTreeSet::new();
    for odd in ["x+O=root", "x=O+root", "X-O-ROOT", "x/o/root", "x@o.root", "a:x", "a&x", "$(x)", "'x'", "../x"] {
        let path = format!("/odd/{}", devices.len());
        assert!(as_device("cn", &named(text(odd)), &path).await.is_served(), "{odd:?}");
        let device = town.house.record().only_access(&path)["device"].as_str().unwrap().to_owned();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        assert!(device.starts_with("cn.") && device.bytes().all(plain), "{odd:?}: {device}");
        assert!(devices.insert(device), "{odd:?}");
    }
    assert!(!devices.contains("cn.x-o-root"));
    let bmp = DnValue::BmpString(rcgen::string::BmpString::try_from("x,O=wheel").unwrap());
    assert_eq!(as_device("cn", &named(bmp), "/evil").await.status, Some(403));
    // An organisation beside the name is not part of it.
    let beside = cn.device_with(DEVICE, |leaf| {
        leaf.distinguished_name = rcgen::DistinguishedName::new();
        leaf.distinguished_name.push(DnType::OrganizationName, "x,CN=admin");
        leaf.distinguished_name.push(DnType::CommonName, "plain-1");
    });
    assert!(as_device("cn", &beside, "/beside").await.is_served());
    assert_eq!(town.house.record().only_access("/beside")["device"], "cn.plain-1");

    // Two names of which one would have to be chosen, and one set of two attributes.
    let folder = town.house.path();
    town.house.write("cn-ca.pem", &cn.pem());
    town.house.write("cn-ca.key", &cn.key_pem());
    town.house.write("leaf.ext", "extendedKeyUsage=clientAuth\n");
    openssl(folder, "genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out rdn.key").await;
    for (subject, device) in [
        ("/CN=a/CN=b", None),
        ("/CN=a+CN=b", None),
        ("/CN=rdn-1+O=wheel", Some("cn.rdn-1")),
        ("/O=wheel/CN=rdn-2", Some("cn.rdn-2")),
    ] {
        openssl(folder, &format!("req -new -key rdn.key -subj {subject} -out rdn.csr")).await;
        openssl(
            folder,
            "x509 -req -in rdn.csr -CA cn-ca.pem -CAkey cn-ca.key -set_serial 7 -days 2 -extfile leaf.ext -out rdn.pem",
        )
        .await;
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let path = format!("/rdn/{}", device.unwrap_or("none"));
        let heard = as_device("cn", &Identity { chain: read("rdn.pem"), key: read("rdn.key") }, &path).await;
        match device {
            Some(device) => {
                assert!(heard.is_served(), "{subject}: {heard:?}");
                assert_eq!(town.house.record().only_access(&path)["device"], device, "{subject}");
            }
            None => {
                assert_eq!((heard.status, heard.reason().as_str()), (Some(403), "certificate_several_identities"), "{subject}")
            }
        }
    }

    let ia5 = |text: &str| Ia5String::try_from(text).unwrap();
    for sans in [
        vec![SanType::DnsName(ia5("a.corp,DNS:admin"))],
        vec![SanType::DnsName(ia5("a.corp\r\nx: y"))],
        vec![SanType::DnsName(ia5("a.corp\u{0}.evil.test"))],
        vec![SanType::DnsName(ia5("*.corp"))],
        vec![SanType::DnsName(ia5("a.corp")), SanType::DnsName(ia5("b.corp"))],
        vec![SanType::URI(ia5("a.corp"))],
    ] {
        let heard = as_device("dns", &dns.device_with(DEVICE, |leaf| leaf.subject_alt_names = sans.clone()), "/evil").await;
        assert_eq!(heard.status, Some(403), "{sans:?}: {heard:?}");
    }
    for evil in [
        "urn:x/a1,URI:urn:x/admin",
        "urn:x/a\"1",
        "urn:x/a;1",
        "urn:x/",
        "urn:x/a1\r\nx: y",
        "urn:x/a1?y",
        "urn:x/a1#y",
        "urn:x/%61",
    ] {
        let heard =
            as_device("uri", &uri.device_with("urn:x/y", |leaf| leaf.subject_alt_names = vec![SanType::URI(ia5(evil))]), "/evil")
                .await;
        assert_eq!(heard.status, Some(403), "{evil:?}: {heard:?}");
    }
    for (host, identity) in [
        ("cn", named(text("plain-2"))),
        ("dns", dns.device_with(DEVICE, |leaf| leaf.subject_alt_names = vec![SanType::DnsName(ia5("a.corp"))])),
        ("uri", uri.device(DEVICE, 1, 30)),
    ] {
        let heard = as_device(host, &identity, &format!("/plain/{host}")).await;
        assert!(heard.is_served(), "{host}: {heard:?}");
    }
    assert!(!town.house.wiki.has_seen("/evil"));
    // Whatever was in them, each line of the record is one, and nothing speaks of `wheel`.
    for line in town.house.record().text().lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(!line.contains("wheel") && !line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line}");
    }
    for seen in town.house.wiki.seen() {
        assert!(!format!("{:?}", seen.headers).contains("wheel"), "{seen:?}");
    }
}

/// Holds: 35.
#[tokio::test]
async fn a_certificate_whose_status_is_not_known_is_refused() {
    let town = Town::open().await;
    let between = town.a.below("Between", |params| params.serial_number = Some(SerialNumber::from(77_u64)));
    let pointed = |urls: &[&str]| {
        let points = urls.iter().map(|url| CrlDistributionPoint { uris: vec![(*url).to_owned()] }).collect();
        town.a.device_with(DEVICE, |leaf| {
            leaf.serial_number = Some(SerialNumber::from(5_u64));
            leaf.crl_distribution_points = points;
        })
    };
    let two = pointed(&["http://crl.test/1", "http://crl.test/2"]);
    let elsewhere = pointed(&["http://crl.test/1"]);
    let plain = town.a.device(DEVICE, 5, 30);
    let below = behind(&between, between.device(DEVICE, 8, 30));
    let for_second = |serials: &[u64]| {
        let point = CrlDistributionPoint { uris: vec!["http://crl.test/2".to_owned()] };
        town.a.withdrawn_with(serials, |list| {
            list.issuing_distribution_point = Some(CrlIssuingDistributionPoint { distribution_point: point, scope: None });
        })
    };
    let forged = Authority::new("Authority A");
    let root_list = town.a.withdrawn(&[], 10);
    for (what, lists, identity, outcome) in [
        ("not on the list", root_list.clone(), &plain, ""),
        ("on the list", town.a.withdrawn(&[5], 10), &plain, "certificate_revoked"),
        ("on the list of its second point", for_second(&[5]), &two, "certificate_revoked"),
        ("not on the list of its second point", for_second(&[]), &two, ""),
        ("a list of another point", for_second(&[]), &elsewhere, "certificate_revocation_unknown"),
        ("a list of another issuer", town.b.withdrawn(&[], 10), &plain, "certificate_revocation_unknown"),
        (
            "a list of another issuer beside the right one",
            town.b.withdrawn(&[], 10) + &town.a.withdrawn(&[5], 10),
            &plain,
            "certificate_revoked",
        ),
        ("a forged list", forged.withdrawn(&[], 10), &plain, "certificate_crl_bad_signature"),
        ("a list that is over", town.a.withdrawn(&[], -1), &plain, "certificate_crl_expired"),
        (
            "an old list beside a newer one",
            town.a.withdrawn_with(&[], |list| list.this_update -= Duration::days(1)) + &town.a.withdrawn(&[5], 10),
            &plain,
            "certificate_revoked",
        ),
        ("no list of the intermediate", root_list.clone(), &below, "certificate_revocation_unknown"),
        ("no list of the root", between.withdrawn(&[], 10), &below, "certificate_revocation_unknown"),
        (
            "the intermediate is on the list",
            between.withdrawn(&[], 10) + &town.a.withdrawn(&[77], 10),
            &below,
            "certificate_revoked",
        ),
        ("on the list of the intermediate", between.withdrawn(&[8], 10) + &root_list, &below, "certificate_revoked"),
        ("both lists", between.withdrawn(&[], 10) + &root_list, &below, ""),
    ] {
        town.house.write("a.crl", &lists);
        town.house.must(&["reload"]).await;
        let path = format!("/listed/{}", what.replace(' ', "-"));
        let heard = town.admits(Some(identity), &path).await;
        assert_eq!(heard.reason(), outcome, "{what}: {heard:?}");
        assert_eq!(heard.is_served(), outcome.is_empty(), "{what}: {heard:?}");
        assert_eq!(town.house.wiki.has_seen(&path), outcome.is_empty(), "{what}");
    }
}

/// Holds: 37.
#[tokio::test]
async fn a_chain_keeps_to_its_authoritys_constraints() {
    let by_name = |plan: crate::harness::Plan| {
        plan.set("end", "[[device_authority]]\nname = \"names\"\nroots = \"names.pem\"\ndevice_id = \"serial\"\nadmit = \"any\"")
            .app_at("names", "names.wild.test", "upstream = [\"{wiki}\"]\ndevice_authorities = [\"names\"]")
    };
    let root = Authority::new("Names");
    let town = Town::with(|plan| by_name(plan.file("names.pem", &root.pem()))).await;
    let dns = |name: &str| GeneralSubtree::DnsName(name.to_owned());
    let limited = |permitted: Vec<GeneralSubtree>, excluded: Vec<GeneralSubtree>| {
        root.below("Limited", |params| {
            params.name_constraints = Some(NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded });
        })
    };
    let host = |name: &str| SanType::DnsName(Ia5String::try_from(name).unwrap());
    let only_accept = || limited(vec![dns("accept.example.com")], vec![]);
    let not_secret = || limited(vec![], vec![dns("secret.example.com")]);
    let hand = Hand::new(town.house.port(), &rustls::version::TLS13);
    for (number, (what, authority, san, passes)) in [
        ("within", only_accept(), host("accept.example.com"), true),
        ("below", only_accept(), host("a.accept.example.com"), true),
        ("within, in capitals", only_accept(), host("ACCEPT.example.com"), true),
        ("a wildcard that is wider", only_accept(), host("*.example.com"), false),
        ("beside", only_accept(), host("other.example.com"), false),
        ("only ends alike", only_accept(), host("xaccept.example.com"), false),
        ("not excluded", not_secret(), host("open.example.com"), true),
        ("excluded", not_secret(), host("secret.example.com"), false),
        ("excluded, in capitals", not_secret(), host("SECRET.Example.com"), false),
        ("excluded below", not_secret(), host("a.secret.example.com"), false),
        ("a wildcard that reaches into what is excluded", not_secret(), host("*.example.com"), false),
        (
            "an address outside",
            limited(vec![GeneralSubtree::IpAddress(rcgen::CidrSubnet::V4([10, 0, 0, 0], [255, 0, 0, 0]))], vec![]),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            false,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let device = authority.device_with(DEVICE, |leaf| {
            leaf.subject_alt_names = vec![san];
            leaf.serial_number = Some(SerialNumber::from(u64::try_from(number).unwrap() + 1));
        });
        hand.forget();
        hand.show(Some(&behind(&authority, device)));
        let path = format!("/constrained/{number}");
        let heard = town.get(&hand, Some("names.wild.test"), Over::Http1, "names.wild.test", &path).await;
        assert_eq!(heard.is_served(), passes, "{what}: {heard:?}");
        assert_eq!(town.house.wiki.has_seen(&path), passes, "{what}");
        if !passes {
            assert_eq!((heard.status, heard.reason().as_str()), (Some(403), "certificate_chain"), "{what}: {heard:?}");
        }
    }
    // URIs: a constraint on them cannot be judged, so whatever it would speak of is refused.
    let uris = root.below("URIs", |params| {
        // permittedSubtrees [0] { GeneralSubtree { uniformResourceIdentifier [6] ".example.com" } }
        let mut content = vec![0x30, 0x12, 0xa0, 0x10, 0x30, 0x0e, 0x86, 0x0c];
        content.extend_from_slice(b".example.com");
        let mut constraint = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 30], content);
        constraint.set_criticality(true);
        params.custom_extensions.push(constraint);
    });
    for uri in ["https://a.example.com/x", "https://evil.test/x"] {
        hand.forget();
        hand.show(Some(&behind(&uris, uris.device(uri, 99, 30))));
        let heard = town.get(&hand, Some("names.wild.test"), Over::Http1, "names.wild.test", "/uri").await;
        assert_eq!(heard.status, Some(403), "{uri}: {heard:?}");
    }
    assert!(!town.house.wiki.has_seen("/uri"));
}

/// Holds: 30.
#[tokio::test]
async fn without_a_usable_authority_the_gate_keeps_what_it_had_and_does_not_start() {
    let town = Town::open().await;
    let good = town.good();
    let stranger = town.b.device(DEVICE, 1, 30);
    let roots = town.house.path().join("roots-a.pem");
    let list = town.house.path().join("a.crl");
    let (roots_pem, list_pem) = (town.a.pem(), town.a.withdrawn(&[WITHDRAWN], 10));
    let key = town.a.key_pem();
    let leaf = town.good().chain;
    let half = |text: &str| text.get(..text.len() / 2).unwrap().to_owned();
    let more = format!("{roots_pem}{}", half(&roots_pem));
    let more_lists = format!("{list_pem}{}", half(&list_pem));
    for (what, file, other, key_path, content) in [
        ("missing", &roots, &roots_pem, "roots", None),
        ("empty", &roots, &roots_pem, "roots", Some("")),
        ("blank", &roots, &roots_pem, "roots", Some("\n\n# nothing yet\n")),
        ("only a key", &roots, &roots_pem, "roots", Some(key.as_str())),
        ("half of it", &roots, &roots_pem, "roots", Some(&half(&roots_pem))),
        ("one and a half", &roots, &roots_pem, "roots", Some(&more)),
        ("no authority's", &roots, &roots_pem, "roots", Some(&leaf)),
        ("a list instead", &roots, &roots_pem, "roots", Some(&list_pem)),
        ("no text", &roots, &roots_pem, "roots", Some("\u{0}\u{1}\u{2}")),
        ("missing", &list, &list_pem, "crl", None),
        ("empty", &list, &list_pem, "crl", Some("")),
        ("half of it", &list, &list_pem, "crl", Some(&half(&list_pem))),
        ("one and a half", &list, &list_pem, "crl", Some(&more_lists)),
        ("an authority instead", &list, &list_pem, "crl", Some(&roots_pem)),
    ] {
        let what = format!("{key_path}: {what}");
        match content {
            None => std::fs::remove_file(file).unwrap(),
            Some(content) => std::fs::write(file, content).unwrap(),
        }
        refused_by(&town, &what, key_path).await;
        assert!(town.admits(Some(&good), "/still").await.is_served(), "{what}");
        for (twin, identity) in [("nobody", None), ("of another authority", Some(&stranger))] {
            assert_eq!(town.admits(identity, "/nobody").await.status, Some(403), "{what}: {twin}");
        }
        std::fs::write(file, other).unwrap();
    }
    // Not a file, and one that leads nowhere: whoever runs this may read everything, so permissions are no test.
    for make in
        [|path: &std::path::Path| std::fs::create_dir(path), |path: &std::path::Path| std::os::unix::fs::symlink(path, path)]
    {
        std::fs::remove_file(&roots).unwrap();
        make(&roots).unwrap();
        refused_by(&town, "no file", "roots").await;
        assert!(town.admits(Some(&good), "/still").await.is_served());
        assert_eq!(town.admits(None, "/nobody").await.status, Some(403));
        std::fs::remove_dir(&roots).or_else(|_link| std::fs::remove_file(&roots)).unwrap();
        std::fs::write(&roots, &roots_pem).unwrap();
    }
    town.house.must(&["reload"]).await;
    assert!(town.admits(Some(&good), "/after").await.is_served());
    assert_eq!(town.admits(Some(&town.a.device(DEVICE, WITHDRAWN, 30)), "/nobody").await.reason(), "certificate_revoked");
    assert!(!town.house.wiki.has_seen("/nobody"));
}

/// A reload, a check and a start each say no, and name the key.
async fn refused_by(town: &Town, what: &str, key: &str) {
    let config = town.house.config().display().to_string();
    for (arguments, code) in
        [(vec!["reload"], 1), (vec!["check", "--config", &config], 1), (vec!["serve", "--config", &config], 3)]
    {
        let said = town.house.command(&arguments).await;
        assert_eq!(said.code, Some(code), "{what}: {arguments:?}: {said:?}");
        let words = format!("{}{}", said.out, said.err);
        assert!(words.contains(&format!("device_authority[1].{key}")), "{what}: {arguments:?}: {words}");
    }
}

/// The same with its authority's certificate sent along.
fn behind(authority: &Authority, device: Identity) -> Identity {
    Identity { chain: device.chain + &authority.pem(), ..device }
}
