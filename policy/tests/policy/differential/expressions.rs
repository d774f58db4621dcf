//! Expressions, by type, so that the strict checks take most of them.

use super::random::Random;

/// Writes expressions.
pub(super) struct Writer<'a> {
    random: &'a mut Random,
    /// Whether there is a device and a session for certain.
    known: bool,
}

/// Texts that facts have, and such as try to be something else.
pub(super) const TEXTS: [&str; 16] = [
    "linux",
    "tpm",
    "session",
    "corp",
    "pwd",
    "red",
    "GET",
    "POST",
    "/admin",
    "/admin/users",
    "wiki.corp.example",
    "",
    "monday",
    "a\"b\\c",
    "é*\n\u{202e}",
    "silver",
];

const NUMBERS: [&str; 12] =
    ["0", "1", "2", "10", "60", "900", "3600", "-1", "-7", "1000000000000", "9223372036854775807", "-9223372036854775808"];

const PATTERNS: [&str; 10] = ["/admin*", "*", "*/users", "/*/users", "", "*d*i*", "l*x", "a\\\"b*", "*\\**", "tpm"];

const RANGES: [&str; 10] = [
    "10.0.0.0/8",
    "10.1.2.3",
    "192.168.0.0/16",
    "0.0.0.0/0",
    "::/0",
    "::1",
    "fd00::/8",
    "224.0.0.0/4",
    "127.0.0.0/8",
    "10.1.2.3/32",
];

const DURATIONS: [&str; 9] = [
    "9h",
    "1d",
    "0ms",
    "-1h30m",
    "17h59m59s999ms",
    "106751991167d",
    "-106751991167d",
    "1ms",
    // Right, and too long to be compiled: Cedar decides it.
    "0000000000000000000000000000000000000000000000000000000000000000000000009h",
];

const DATETIMES: [&str; 7] = [
    "2026-09-21",
    "2026-09-21T14:13:20Z",
    "1969-12-31T23:59:59.999Z",
    "2026-09-21T14:13:20.123+0200",
    "0001-01-01",
    "9999-12-31",
    "1970-01-01T00:00:00Z",
];

const DECIMALS: [&str; 5] = ["0.0", "1.5", "-1.5", "922337203685477.5807", "0.0001"];

impl<'a> Writer<'a> {
    pub(super) fn new(random: &'a mut Random, known: bool) -> Self {
        Self { random, known }
    }

    /// A truth value.
    pub(super) fn truth(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.flag();
        }
        let depth = depth - 1;
        match self.random.below(26) {
            0..4 => self.join(depth, "&&"),
            4..6 => self.join(depth, "||"),
            6 => format!("!({})", self.truth(depth)),
            7 => self.choice(depth, Self::truth),
            8..11 => self.compared(depth, Self::number, &["<", "<=", ">", ">=", "==", "!="]),
            11 => self.compared(depth, Self::datetime, &["<", "<=", ">", ">=", "==", "!="]),
            12 => self.compared(depth, Self::duration, &["<", "<=", ">", ">=", "==", "!="]),
            13..15 => self.compared(depth, Self::text, &["==", "!="]),
            15 => format!("{} like \"{}\"", self.text(depth), self.random.pick(&PATTERNS)),
            16..18 => self.about_sets(depth),
            18..20 => self.about_addresses(depth),
            20..22 => self.about_entities(depth),
            22 => self.about_tags(depth),
            23 => self.about_records(depth),
            24 => self.about_decimals(),
            _ => self.flag(),
        }
    }

    fn flag(&mut self) -> String {
        if !self.known {
            return self
                .random
                .pick(&[
                    "true",
                    "false",
                    "context has device && context.device.managed",
                    "context has session.mfa && context.session.mfa",
                    "context has device.posture.edr",
                    "context has device.posture.vendor",
                    "context has weekday",
                    "context.request.path == \"/\"",
                    "principal is Anonymous",
                ])
                .to_owned();
        }
        self.random
            .pick(&[
                "true",
                "false",
                "context.device.managed",
                "context.device.shared",
                "context.session.mfa",
                "context.device.posture.disk_encrypted",
                "context.device.posture.firewall",
                "context.device.posture.edr",
                "(context.device.posture has antivirus && context.device.posture.antivirus)",
                "context.device.posture has edr",
                "context.device has owner",
                "context has device.posture.score",
                "context.device.owner == principal",
                "principal is User",
                "principal is Service",
            ])
            .to_owned()
    }

    fn join(&mut self, depth: usize, operator: &str) -> String {
        let count = 2 + self.random.below(3);
        let parts: Vec<String> = (0..count).map(|_| format!("({})", self.truth(depth))).collect();
        parts.join(&format!(" {operator} "))
    }

    fn choice(&mut self, depth: usize, of: fn(&mut Self, usize) -> String) -> String {
        let (test, then, otherwise) = (self.truth(depth), of(self, depth), of(self, depth));
        format!("(if {test} then {then} else {otherwise})")
    }

    fn compared(&mut self, depth: usize, of: fn(&mut Self, usize) -> String, operators: &[&str]) -> String {
        let (left, right) = (of(self, depth), of(self, depth));
        let operator = self.random.pick(operators);
        format!("{left} {operator} {right}")
    }

    fn number(&mut self, depth: usize) -> String {
        if depth > 0 {
            let depth = depth - 1;
            match self.random.below(12) {
                0 => return format!("({} + {})", self.number(depth), self.number(depth)),
                1 => return format!("({} - {})", self.number(depth), self.number(depth)),
                2 => return format!("({} * {})", self.number(depth), self.number(depth)),
                3 => return format!("-({})", self.number(depth)),
                4 => return self.choice(depth, Self::number),
                5 => {
                    let unit = self.random.pick(&["Milliseconds", "Seconds", "Minutes", "Hours", "Days"]);
                    return format!("{}.to{unit}()", self.duration(depth));
                }
                6 => {
                    return format!(
                        "(if context has device.posture.score then context.device.posture.score else {})",
                        self.number(depth)
                    );
                }
                _ => {}
            }
        }
        if self.random.once_in(3) {
            // The extremes are rare, so that not everything overflows.
            let end = if self.random.once_in(6) { NUMBERS.len() } else { 9 };
            return NUMBERS[self.random.below(end)].to_owned();
        }
        let facts = ["context.usage.requests_1m", "context.usage.bytes_1h", "context.usage.bytes_1d"];
        let more = ["context.session.auth_age_s", "context.device.posture_age_s"];
        if self.known && self.random.once_in(2) { self.random.pick(&more) } else { self.random.pick(&facts) }.to_owned()
    }

    fn text(&mut self, depth: usize) -> String {
        if depth > 0 && self.random.once_in(6) {
            return match self.random.below(3) {
                0 => self.choice(depth - 1, Self::text),
                1 => format!("{{\"a b\": {}, \"c\": 1}}[\"a b\"]", self.text(depth - 1)),
                _ => format!("(if principal is User && principal has email then principal.email else {})", self.text(depth - 1)),
            };
        }
        if self.random.once_in(3) {
            return quoted(self.random.pick(&TEXTS));
        }
        let facts = ["context.request.host", "context.request.path", "context.request.method", "context.weekday"];
        let more = [
            "context.device.id",
            "context.device.authority",
            "context.device.platform",
            "context.device.key_protection",
            "context.session.acr",
            "context.session.provider",
            "context.session.binding",
            "(if context.device.posture has vendor then context.device.posture.vendor else \"red\")",
        ];
        if self.known && self.random.once_in(2) { self.random.pick(&more) } else { self.random.pick(&facts) }.to_owned()
    }

    fn texts(&mut self, depth: usize) -> String {
        match self.random.below(if self.known { 6 } else { 4 }) {
            0 => "context.request.path_prefixes".to_owned(),
            1 if depth > 0 => self.choice(depth - 1, Self::texts),
            2 => {
                let members: Vec<String> = (0..=self.random.below(4)).map(|_| self.text(0)).collect();
                format!("[{}]", members.join(", "))
            }
            4..6 => "context.session.amr".to_owned(),
            _ => {
                let members: Vec<String> = (0..=self.random.below(5)).map(|_| quoted(self.random.pick(&TEXTS))).collect();
                format!("[{}]", members.join(", "))
            }
        }
    }

    fn about_sets(&mut self, depth: usize) -> String {
        match self.random.below(9) {
            0..3 => format!("{}.contains({})", self.texts(depth), self.text(depth)),
            3 => format!("{}.containsAll({})", self.texts(depth), self.texts(depth)),
            4 => format!("{}.containsAny({})", self.texts(depth), self.texts(depth)),
            5 => format!("{}.isEmpty()", self.texts(depth)),
            6 => self.compared(depth, Self::texts, &["==", "!="]),
            7 => format!("[{}, {}].contains({})", self.number(0), self.number(0), self.number(depth)),
            _ => format!("[{}, {}] == [{}]", self.address(), self.address(), self.address()),
        }
    }

    fn address(&mut self) -> String {
        if self.random.once_in(2) {
            "context.request.source_ip".to_owned()
        } else {
            format!("ip(\"{}\")", self.random.pick(&RANGES))
        }
    }

    fn about_addresses(&mut self, _: usize) -> String {
        match self.random.below(4) {
            0 => {
                let test = self.random.pick(&["isIpv4", "isIpv6", "isLoopback", "isMulticast"]);
                format!("{}.{test}()", self.address())
            }
            1 => format!("{} == {}", self.address(), self.address()),
            _ => format!("{}.isInRange({})", self.address(), self.address()),
        }
    }

    fn datetime(&mut self, depth: usize) -> String {
        match self.random.below(8) {
            0 => format!("datetime(\"{}\")", self.random.pick(&DATETIMES)),
            1 if depth > 0 => format!("{}.offset({})", self.datetime(depth - 1), self.duration(depth - 1)),
            2 if depth > 0 => format!("{}.toDate()", self.datetime(depth - 1)),
            3 if depth > 0 => self.choice(depth - 1, Self::datetime),
            4..6 if self.known => "context.device.enrolled_at".to_owned(),
            _ => "context.now".to_owned(),
        }
    }

    fn duration(&mut self, depth: usize) -> String {
        match self.random.below(6) {
            0..2 => "context.local_time".to_owned(),
            2 if depth > 0 => format!("{}.durationSince({})", self.datetime(depth - 1), self.datetime(depth - 1)),
            3 if depth > 0 => format!("{}.toTime()", self.datetime(depth - 1)),
            _ => {
                // The last is for Cedar, which should be seldom.
                let end = if self.random.once_in(3) { DURATIONS.len() } else { DURATIONS.len() - 1 };
                format!("duration(\"{}\")", DURATIONS[self.random.below(end)])
            }
        }
    }

    fn about_entities(&mut self, depth: usize) -> String {
        let shared = [
            "principal in Group::\"g0\"",
            "principal in [Group::\"g0\", Group::\"g1\"]",
            "principal in Group::\"g\\\"2\\\"\"",
            "principal == User::\"corp/ana\"",
            "principal != User::\"corp/bo\"",
            "principal in [User::\"corp/ana\", User::\"corp/bo\"]",
            "resource == App::\"a0\"",
            "resource in Tag::\"t0\"",
            "resource in [Tag::\"t1\", Tag::\"t2\"]",
            "resource in App::\"a1\"",
            "resource is App in Tag::\"t0\"",
            "action == Action::\"read\"",
            "action in Action::\"use\"",
            "action in [Action::\"write\", Action::\"public\"]",
            "Action::\"write\" in Action::\"use\"",
            "principal is User in Group::\"g1\"",
            "principal is Service",
            "App::\"a1\" in Tag::\"t1\"",
            "User::\"corp/ana\" in Group::\"g0\"",
            "(principal is User && principal has email && principal.email like \"*@corp.example\")",
            "(principal is Service && principal has name && principal.name == \"robot\")",
            "[principal] == [principal]",
            "[User::\"corp/ana\", User::\"corp/bo\"].contains(principal)",
            "(if resource in Tag::\"t0\" then principal else principal) in Group::\"g1\"",
            "(User::\"corp/ana\" has email && User::\"corp/ana\".email like \"*corp*\")",
        ];
        let known = [
            "context.device.owner == principal",
            "context.device.owner in Group::\"g0\"",
            "context.device.owner == User::\"\"",
            "context.device.owner is User in [Group::\"g0\", Group::\"g1\"]",
            "(context.device.owner has email && context.device.owner.email == \"ana@corp.example\")",
            "(context has device.owner.email)",
            "(context.device.owner.hasTag(\"team\") && context.device.owner.getTag(\"team\").contains(\"red\"))",
            "principal in context.device.owner",
            "principal in [context.device.owner]",
        ];
        match (self.known && self.random.once_in(3), depth) {
            (true, _) => self.random.pick(&known).to_owned(),
            (false, 0) => self.random.pick(&shared).to_owned(),
            (false, _) => self.random.pick(&shared).to_owned(),
        }
    }

    fn about_tags(&mut self, depth: usize) -> String {
        let tag = self.random.pick(&["\"team\"", "\"level\"", "\"\"", "\"e\\\"v\""]);
        let who = self.random.pick(&["principal is User", "principal is Service", "!(principal is Anonymous)"]);
        match self.random.below(4) {
            0 => format!("({who} && principal.hasTag({tag}))"),
            1 => format!("({who} && principal.hasTag({tag}) && principal.getTag({tag}) == {})", self.texts(depth)),
            2 => format!("({who} && principal.hasTag({tag}) && principal.getTag({tag}).containsAny({}))", self.texts(depth)),
            _ => format!("({who} && principal.hasTag({tag}) && principal.getTag({tag}).contains({}))", self.text(depth)),
        }
    }

    fn about_records(&mut self, depth: usize) -> String {
        let number = self.number(0);
        match self.random.below(if self.known { 8 } else { 5 }) {
            0 => format!("context.usage == {{\"requests_1m\": {number}, \"bytes_1h\": context.usage.bytes_1h, \"bytes_1d\": 0}}"),
            1 => format!("{{\"a\": {number}, \"b\": {{\"c\": true}}}}.b.c"),
            2 => format!("{{\"a\": {number}}} == {{\"a\": {}}}", self.number(depth)),
            3 => format!("(if {} then context.usage else context.usage).bytes_1h < {number}", self.truth(depth)),
            4 => format!("[context.request].contains({})", "context.request"),
            5 => "context.device == context.device".to_owned(),
            6 => "context.device.posture == {\"disk_encrypted\": true, \"firewall\": false, \"os_up_to_date\": false, \
                  \"screen_lock\": false, \"edr\": true}"
                .to_owned(),
            _ => "(if context.session.mfa then context.device else context.device).managed".to_owned(),
        }
    }

    fn about_decimals(&mut self) -> String {
        let (left, right) = (self.random.pick(&DECIMALS), self.random.pick(&DECIMALS));
        let method = self.random.pick(&["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"]);
        match self.random.below(3) {
            0 => format!("decimal(\"{left}\") == decimal(\"{right}\")"),
            _ => format!("decimal(\"{left}\").{method}(decimal(\"{right}\"))"),
        }
    }
}

/// A text as Cedar reads it.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            '\n' => "\\n".to_owned(),
            c if c.is_ascii() => c.to_string(),
            c => format!("\\u{{{:x}}}", u32::from(c)),
        })
        .collect();
    format!("\"{escaped}\"")
}
