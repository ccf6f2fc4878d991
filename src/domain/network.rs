//! Networks as limits count them and records name them, and which addresses are on the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One IPv4 address, or an IPv6 /64, which is what one household or office has.
pub fn name(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// Networks of IPv4 that are not the public internet: IANA's special-purpose registry (RFC 6890), multicast, the reserved
/// rest, and one public address under which a cloud answers its own machines.
const NOT_PUBLIC_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
    ([168, 63, 129, 16], 32),
];

/// Parts of 2000::/3 that are not the public internet: IETF protocols with Teredo (2001::/23), documentation, 6to4.
const NOT_PUBLIC_V6: &[(u128, u32)] =
    &[(0x2001_0000 << 96, 23), (0x2001_0db8 << 96, 32), (0x2002_0000 << 96, 16), (0x3fff_0000 << 96, 20)];

/// Whether an address is on the public internet, as far as registries say it.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(inner) => is_public_v4(inner),
            None => {
                let bits = address.to_bits();
                let global_unicast = bits >> 125 == 0b001;
                global_unicast
                    && !NOT_PUBLIC_V6.iter().any(|&(network, prefix)| (bits ^ network) >> (128 - prefix) == 0)
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !NOT_PUBLIC_V4
        .iter()
        .any(|&(network, prefix)| (bits ^ Ipv4Addr::from(network).to_bits()) >> (32 - prefix) == 0)
}

/// The IPv4 address that is really reached: mapped (::ffff:0:0/96) or through NAT64 (64:ff9b::/96, RFC 6052).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];
    let [.., a, b, c, d] = address.octets();
    let through_nat64 = address.segments()[..6] == NAT64;
    address.to_ipv4_mapped().or(through_nat64.then_some(Ipv4Addr::new(a, b, c, d)))
}
