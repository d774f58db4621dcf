//! One shape for what is written in different ways.

use std::net::IpAddr;

use super::form::{Comparison, Form};

impl Form {
    /// The shape that all ways to write this condition share. Only for comparing: people read what was written.
    pub(super) fn key(&self) -> Self {
        match self {
            Self::All(parts) => Self::all(sorted(parts)),
            Self::Any(parts) => Self::any(sorted(parts)),
            Self::Not(of) => Self::Not(Box::new(of.key())),
            Self::Compare(op, left, right) => compared(*op, left.key(), right.key()),
            // Only groups, tags and groups of actions have members.
            Self::In(of, parent) => match &**parent {
                Self::Entity(kind, _) if !["Group", "Tag", "Action"].contains(&kind.as_str()) => {
                    compared(Comparison::Eq, of.key(), parent.key())
                }
                _ => Self::In(Box::new(of.key()), Box::new(parent.key())),
            },
            Self::Is(of, kind) => Self::Is(Box::new(of.key()), kind.clone()),
            Self::Get(of, name) => Self::Get(Box::new(of.key()), name.clone()),
            Self::Has(of, name) => Self::Has(Box::new(of.key()), name.clone()),
            Self::Like(of, pattern) => Self::Like(Box::new(of.key()), pattern.clone()),
            Self::If(asked, then, otherwise) => Self::If(Box::new(asked.key()), Box::new(then.key()), Box::new(otherwise.key())),
            Self::Set(items) => Self::Set(sorted(items)),
            Self::Record(fields) => Self::Record(fields.iter().map(|(name, value)| (name.clone(), value.key())).collect()),
            Self::Call("duration", of) => match duration_ms(of) {
                Some(ms) => Self::Call("duration", vec![Self::Long(ms)]),
                None => self.clone(),
            },
            Self::Call("ip", of) => match range(of) {
                Some((address, bits)) => Self::Call("ip", vec![Self::Text(format!("{address}/{bits}"))]),
                None => self.clone(),
            },
            Self::Call(name, arguments) => Self::Call(name, arguments.iter().map(Self::key).collect()),
            _ => self.clone(),
        }
    }
}

/// In one order, each once; where one of them can fail, their order decides what fails, and stays.
fn sorted(parts: &[Form]) -> Vec<Form> {
    let mut parts: Vec<Form> = parts.iter().map(Form::key).collect();
    if !parts.iter().any(Form::may_fail) {
        parts.sort();
        parts.dedup();
    }
    parts
}

/// What is looked up on the left, whole numbers as `<` and `>=`.
fn compared(op: Comparison, left: Form, right: Form) -> Form {
    use Comparison::{Eq, Greater, GreaterEq, Less, LessEq, NotEq};
    let (mut op, mut left, mut right) = (op, left, right);
    let turn = match op {
        Eq | NotEq => (left.is_literal(), &left) > (right.is_literal(), &right),
        Less | LessEq | Greater | GreaterEq => left.is_literal() && !right.is_literal(),
    };
    if turn && !left.may_fail() && !right.may_fail() {
        (op, left, right) = (op.turned(), right, left);
    }
    if let Form::Long(number) = right
        && let Some(next) = number.checked_add(1)
    {
        match op {
            LessEq => (op, right) = (Less, Form::Long(next)),
            Greater => (op, right) = (GreaterEq, Form::Long(next)),
            _ => {}
        }
    }
    Form::Compare(op, Box::new(left), Box::new(right))
}

/// `ip("10.0.0.0/8")`: its first address and how many bits are meant.
pub(super) fn range(of: &[Form]) -> Option<(IpAddr, u8)> {
    let [Form::Text(text)] = of else { return None };
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse::<u8>().ok()?)),
        None => (text.parse::<IpAddr>().ok()?, None),
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(whole);
    (bits <= whole).then(|| (first_of(address, bits), bits))
}

/// The first address of the range that `address` lies in.
pub(super) fn first_of(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

/// `duration("1h30m")` in milliseconds; also what [`Form::key`] made of it.
pub(super) fn duration_ms(of: &[Form]) -> Option<i64> {
    let text = match of {
        [Form::Long(ms)] => return Some(*ms),
        [Form::Text(text)] => text,
        _ => return None,
    };
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.as_str()),
    };
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let (unit, scale) = [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)]
            .into_iter()
            .find(|(unit, _)| tail.starts_with(unit))?;
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(scale)?)?;
        rest = tail.strip_prefix(unit)?;
    }
    total.checked_mul(sign)
}
