//! Who counts as one party where nothing is known but an address.

use std::net::{IpAddr, Ipv6Addr};

/// A network that an address counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    /// An IPv4 address, or an IPv6 /64: one cable.
    Usual(IpAddr),
    /// An IPv6 /56, which is what a connection at home gets; also several customers, where each gets a /64.
    Home([u8; 7]),
    /// An IPv6 /48, which is what a company gets for the asking.
    Site([u16; 3]),
}

impl Network {
    /// Those that an address counts for, the narrowest first.
    pub fn of(address: IpAddr) -> impl Iterator<Item = Self> {
        let (usual, wider) = match address.to_canonical() {
            IpAddr::V4(address) => (IpAddr::V4(address), None),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                let [o, p, q, r, s, t, u, ..] = address.octets();
                let wider = [Self::Home([o, p, q, r, s, t, u]), Self::Site([a, b, c])];
                (IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), Some(wider))
            }
        };
        std::iter::once(Self::Usual(usual)).chain(wider.into_iter().flatten())
    }

    /// The narrowest.
    pub fn narrowest(address: IpAddr) -> Self {
        Self::of(address).next().unwrap_or(Self::Usual(address))
    }

    /// The widest: whoever has many addresses has most of them in here.
    pub fn widest(address: IpAddr) -> Self {
        Self::of(address).last().unwrap_or(Self::Usual(address))
    }

    /// How many times the bound of one address all in it may have together.
    pub fn times(self) -> usize {
        match self {
            Self::Usual(_) => 1,
            Self::Home(_) => HOME,
            Self::Site(_) => SITE,
        }
    }
}

/// A home has guests and cellars, and some who rent machines out give 256 customers a /64 each of one /56.
const HOME: usize = 4;
/// A site of several networks is one customer too.
const SITE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Network> {
        Network::of(text.parse().unwrap()).collect()
    }

    #[test]
    fn an_address_counts_for_its_network_its_home_and_its_site() {
        let usual = |text: &str| Network::Usual(text.parse().unwrap());
        assert_eq!(of("192.0.2.7"), [usual("192.0.2.7")]);
        assert_eq!(of("::ffff:192.0.2.7"), of("192.0.2.7"));
        let home = Network::Home([0x20, 0x01, 0x0d, 0xb8, 0, 1, 0xab]);
        assert_eq!(of("2001:db8:1:abcd:1:2:3:4"), [usual("2001:db8:1:abcd::"), home, Network::Site([0x2001, 0xdb8, 1])]);
        assert_eq!(of("2001:db8:1:abff::")[1..], of("2001:db8:1:ab00::")[1..]);
        assert_ne!(of("2001:db8:1:ac00::")[1], home);
        assert_eq!(of("2001:db8:1:ac00::")[2], of("2001:db8:1:ab00::")[2]);
    }

    #[test]
    fn the_narrowest_and_the_widest() {
        let six = "2001:db8:1:abcd::1".parse().unwrap();
        assert_eq!(Some(&Network::narrowest(six)), of("2001:db8:1:abcd::1").first());
        assert_eq!(Network::widest(six), Network::Site([0x2001, 0xdb8, 1]));
        let four = "192.0.2.7".parse().unwrap();
        assert_eq!(Network::narrowest(four), Network::widest(four));
    }
}
