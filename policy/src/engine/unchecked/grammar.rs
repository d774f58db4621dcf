//! Expressions that the strict checks would never take: now and then, any type stands anywhere.

use super::expressions::Writer;
use super::random::Random;

/// What an expression is meant to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Truth,
    Number,
    Text,
    Entity,
    Set,
    Record,
    Ip,
    Decimal,
    Datetime,
    Duration,
}

/// Writes expressions and scopes.
pub(super) struct Grammar<'a>(pub(super) &'a mut Random);

use Kind::{Datetime, Decimal, Duration, Entity, Ip, Number, Record, Set, Text, Truth};

const KINDS: [Kind; 10] = [Truth, Number, Text, Entity, Set, Record, Ip, Decimal, Datetime, Duration];

const TYPES: [&str; 9] = ["User", "Service", "Anonymous", "Group", "App", "Tag", "Action", "Other", "Corp::User"];

const IDS: [&str; 16] =
    ["corp/ana", "corp/bo", "corp/robot", "", "anyone", "g0", "g1", "g3", "a0", "a1", "t0", "t1", "t2", "read", "use", "public"];

/// Attributes that are somewhere, and such as are nowhere.
const NAMES: [&str; 18] = [
    "device", "session", "request", "usage", "now", "posture", "owner", "managed", "mfa", "amr", "path", "bytes_1h", "email",
    "name", "edr", "score", "vendor", "nothing",
];

const PATTERNS: [&str; 9] = ["*", "", "/admin*", "*/users", "*a*a*", "\\*", "*\\**", "corp", "é*"];

impl Grammar<'_> {
    /// An expression that is mostly of this kind.
    pub(super) fn of(&mut self, kind: Kind, depth: usize) -> String {
        let kind = if self.0.once_in(24) { self.kind() } else { kind };
        let Some(depth) = depth.checked_sub(1).filter(|_| !self.0.once_in(6)) else { return self.atom(kind) };
        match (kind, self.0.below(10)) {
            (_, 0) => format!("(if {} then {} else {})", self.of(Truth, depth), self.of(kind, depth), self.of(kind, depth)),
            (_, 1) => self.attribute(depth),
            (Truth, _) => self.truth(depth),
            (Number, 2..5) => {
                let unit = self.0.pick(&["Milliseconds", "Seconds", "Minutes", "Hours", "Days"]);
                format!("({}).to{unit}()", self.of(Duration, depth))
            }
            (Number, 5) => format!("(-{})", self.of(Number, depth)),
            (Number, _) => self.between(Number, Number, &["+", "-", "*"], depth),
            (Set, 2) => format!("({}).getTag({})", self.of(Entity, depth), self.of(Text, depth)),
            (Set, _) => {
                let kind = self.kind();
                let members: Vec<String> = (0..self.0.below(4)).map(|_| self.of(kind, depth)).collect();
                format!("[{}]", members.join(", "))
            }
            (Record, _) => {
                let names: Vec<&str> = ["a", "\"b c\"", "path", "\"\""].into_iter().filter(|_| self.0.once_in(2)).collect();
                let fields: Vec<String> = names
                    .into_iter()
                    .map(|name| {
                        let kind = self.kind();
                        format!("{name}: {}", self.of(kind, depth))
                    })
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
            (Datetime, 2..6) => format!("({}).offset({})", self.of(Datetime, depth), self.of(Duration, depth)),
            (Datetime, _) => format!("({}).toDate()", self.of(Datetime, depth)),
            (Duration, 2..6) => format!("({}).durationSince({})", self.of(Datetime, depth), self.of(Datetime, depth)),
            (Duration, _) => format!("({}).toTime()", self.of(Datetime, depth)),
            (Text | Entity | Ip | Decimal, _) => self.atom(kind),
        }
    }

    /// `variable`, and what a scope can say of it.
    pub(super) fn scope(&mut self, variable: &str) -> String {
        match self.0.below(10) {
            0 => format!("{variable} is {}", self.0.pick(&TYPES)),
            1 => format!("{variable} is {} in {}", self.0.pick(&TYPES), self.entity()),
            2 => format!("{variable} == {}", self.entity()),
            3 => format!("{variable} in {}", self.entity()),
            _ => variable.to_owned(),
        }
    }

    pub(super) fn action(&mut self) -> String {
        let mut any = || {
            format!(
                "Action::\"{}\"",
                self.0.pick(&["read", "write", "connect", "public", "use", "enroll", "reload", "administer", "other", ""])
            )
        };
        let (one, two) = (any(), any());
        match self.0.below(8) {
            0 => format!("action == {one}"),
            1 => format!("action in {one}"),
            2 => format!("action in [{one}, {two}]"),
            3 if self.0.once_in(4) => "action in []".to_owned(),
            _ => "action".to_owned(),
        }
    }

    fn kind(&mut self) -> Kind {
        KINDS[self.0.below(KINDS.len())]
    }

    fn truth(&mut self, depth: usize) -> String {
        match self.0.below(22) {
            0..4 => {
                let word = self.0.pick(&[" && ", " || "]);
                let parts: Vec<String> = (0..2 + self.0.below(3)).map(|_| self.of(Truth, depth)).collect();
                format!("({})", parts.join(word))
            }
            4 => format!("(!{})", self.of(Truth, depth)),
            5..8 => {
                let kind = self.kind();
                self.between(kind, kind, &["==", "!="], depth)
            }
            8..10 => {
                let kind = [Number, Datetime, Duration][self.0.below(3)];
                self.between(kind, kind, &["<", "<=", ">", ">="], depth)
            }
            10 => format!("({} like \"{}\")", self.of(Text, depth), self.0.pick(&PATTERNS)),
            11 => {
                let kind = self.kind();
                format!("({}).contains({})", self.of(Set, depth), self.of(kind, depth))
            }
            12 => {
                let test = self.0.pick(&["containsAll", "containsAny"]);
                format!("({}).{test}({})", self.of(Set, depth), self.of(Set, depth))
            }
            13 => format!("({}).isEmpty()", self.of(Set, depth)),
            14 => self.between(Entity, Entity, &["in"], depth),
            15 => {
                let parents: Vec<String> = (0..self.0.below(4)).map(|_| self.of(Entity, depth)).collect();
                format!("({} in [{}])", self.of(Entity, depth), parents.join(", "))
            }
            16 => match self.0.once_in(2) {
                true => format!("({} is {})", self.of(Entity, depth), self.0.pick(&TYPES)),
                false => format!("({} is {} in {})", self.of(Entity, depth), self.0.pick(&TYPES), self.of(Entity, depth)),
            },
            17 => {
                let kind = if self.0.once_in(2) { Entity } else { Record };
                let of = self.of(kind, depth);
                let path: Vec<&str> = (0..=self.0.below(3)).map(|_| self.0.pick(&NAMES)).collect();
                format!("({of} has {})", path.join("."))
            }
            18 => format!("({}).hasTag({})", self.of(Entity, depth), self.of(Text, depth)),
            19 => match self.0.below(5) {
                0 => format!("({}).isIpv4()", self.of(Ip, depth)),
                1 => format!("({}).isIpv6()", self.of(Ip, depth)),
                2 => format!("({}).isLoopback()", self.of(Ip, depth)),
                3 => format!("({}).isMulticast()", self.of(Ip, depth)),
                _ => format!("({}).isInRange({})", self.of(Ip, depth), self.of(Ip, depth)),
            },
            20 => {
                let test = self.0.pick(&["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"]);
                format!("({}).{test}({})", self.of(Decimal, depth), self.of(Decimal, depth))
            }
            _ => {
                // As if there were a device and a session, whether or not there are.
                let known = !self.0.once_in(3);
                format!("({})", Writer::new(self.0, known).truth(depth.min(2)))
            }
        }
    }

    fn between(&mut self, left: Kind, right: Kind, operators: &[&str], depth: usize) -> String {
        let (left, right) = (self.of(left, depth), self.of(right, depth));
        format!("({left} {} {right})", self.0.pick(operators))
    }

    fn attribute(&mut self, depth: usize) -> String {
        let kind = if self.0.once_in(3) { Entity } else { Record };
        let of = self.of(kind, depth);
        match self.0.below(8) {
            0 => format!("({of})[\"b c\"]"),
            1 => format!("({of})[\"\"]"),
            2 => format!("({of}).a"),
            _ => format!("({of}).{}", self.0.pick(&NAMES)),
        }
    }

    fn entity(&mut self) -> String {
        format!("{}::\"{}\"", self.0.pick(&TYPES), self.0.pick(&IDS))
    }

    fn atom(&mut self, kind: Kind) -> String {
        let choices: &[&str] = match kind {
            Truth => &["true", "false", "context.session.mfa", "context.device.managed", "context.device.posture.edr"],
            Number => &[
                "0",
                "1",
                "60",
                "(-1)",
                "9223372036854775807",
                "(-9223372036854775808)",
                "context.usage.bytes_1h",
                "context.session.auth_age_s",
                "context.device.posture_age_s",
                "context.device.posture.score",
            ],
            Text => &[
                "\"\"",
                "\"team\"",
                "\"level\"",
                "\"linux\"",
                "\"/admin\"",
                "\"a\\\"b\\\\c\"",
                "\"monday\"",
                "context.weekday",
                "context.request.path",
                "context.request.method",
                "context.session.acr",
                "context.device.id",
                "context.device.posture.vendor",
                "principal.email",
                "principal.name",
            ],
            Entity if self.0.once_in(2) => return self.entity(),
            Entity => &["principal", "action", "resource", "context.device.owner"],
            Set => &[
                "[]",
                "[\"/\", \"/admin\"]",
                "context.request.path_prefixes",
                "context.session.amr",
                "principal.getTag(\"team\")",
                "[1, \"1\", true]",
                "[[]]",
                "[ip(\"10.1.2.3\")]",
            ],
            Record => &[
                "context",
                "context.device",
                "context.session",
                "context.request",
                "context.usage",
                "context.device.posture",
                "{}",
                "{a: 1}",
                "{\"b c\": {a: true}}",
                "principal",
            ],
            Ip => &[
                "context.request.source_ip",
                "ip(\"10.1.2.3\")",
                "ip(\"10.1.2.3/8\")",
                "ip(\"0.0.0.0/0\")",
                "ip(\"::/0\")",
                "ip(\"::1\")",
                "ip(\"::1/127\")",
                "ip(\"127.0.0.1/7\")",
                "ip(\"ff00::/7\")",
                "ip(\"224.0.0.1/3\")",
                "ip(\"::ffff:a01:203\")",
                "ip(\"10.1.2.3/32\")",
                "ip(\"fd00::5/128\")",
                "ip(\"10.0.0\")",
            ],
            Decimal => &["decimal(\"0.0\")", "decimal(\"-0.0\")", "decimal(\"1.5\")", "decimal(\"1.50\")", "decimal(\"1\")"],
            Datetime => &[
                "context.now",
                "context.device.enrolled_at",
                "datetime(\"1969-12-31\")",
                "datetime(\"1969-12-31T23:59:59.999Z\")",
                "datetime(\"1970-01-01T00:00:00+0001\")",
                "datetime(\"9999-12-31\")",
                "datetime(\"2026-02-30\")",
            ],
            Duration => &[
                "context.local_time",
                "duration(\"0ms\")",
                "duration(\"-1ms\")",
                "duration(\"-23h59m59s999ms\")",
                "duration(\"9223372036854775807ms\")",
                "duration(\"-9223372036854775808ms\")",
                "duration(\"1s1h\")",
            ],
        };
        (*self.0.pick(choices)).to_owned()
    }
}
