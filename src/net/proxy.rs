//! The PROXY protocol, version 2: what a load balancer says of the client it stands before.
//! Sans-IO: the caller reads, this parses.
//!
//! In: the first octets of a connection. Out: [`Progress`]. The format follows HAProxy's
//! `proxy-protocol.txt`, sections 2.2 and 2.3; section numbers below are of that text.
//!
//! Invariant: a wrong signature is seen at its first wrong octet, and no header longer than
//! [`HEADER_OCTETS`] is waited for. Fails with a [`ProxyError`]; the connection is to be
//! closed without a reply, because whoever sent it is not the load balancer one trusts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const FIXED_OCTETS: usize = 16;
/// The longest header that is taken; addresses need 36 octets, certificates in TLVs a few KB.
pub const HEADER_OCTETS: usize = FIXED_OCTETS + 8_192;

const IPV4_OCTETS: usize = 12;
const IPV6_OCTETS: usize = 36;
const UNIX_OCTETS: usize = 216;
/// Section 2.2.3: CRC-32C of the whole header with this value as zero.
const TLV_CRC32C: u8 = 0x03;

/// Who speaks, as the header has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The load balancer itself, for example a health check: the socket's addresses hold.
    Local,
    /// A client by TCP (or UDP); IPv4-mapped addresses are given as IPv4.
    Client {
        /// The client.
        source: SocketAddr,
        /// Where the client connected to.
        destination: SocketAddr,
    },
    /// A client whose address cannot be said: unspecified or a Unix socket.
    Unknown,
}

/// How far a parse has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing wrong so far; the header needs at least this many octets in all.
    NeedsMore {
        /// Octets in all, from the first.
        octets: usize,
    },
    /// The header is whole.
    Header {
        /// Who speaks.
        origin: Origin,
        /// What follows after so many octets is the client's.
        consumed: usize,
    },
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The connection does not begin with the signature.
    #[error("no PROXY v2 header")]
    Signature,
    /// The version is not 2.
    #[error("PROXY header of version {0}")]
    Version(u8),
    /// The command is neither LOCAL nor PROXY.
    #[error("PROXY header with command {0}")]
    Command(u8),
    /// Family and transport are no pair of section 2.2.
    #[error("PROXY header with family and transport {0:#04x}")]
    Family(u8),
    /// The header is longer than is taken.
    #[error("PROXY header of {0} octets")]
    TooLong(usize),
    /// The length does not hold the addresses of the family.
    #[error("PROXY header too short for its addresses")]
    TooShort,
    /// The type-length-values do not fill the rest exactly.
    #[error("PROXY header with broken TLVs")]
    Tlv,
    /// The checksum is wrong.
    #[error("PROXY header with wrong checksum")]
    Checksum,
}

/// Parses what has come so far; call again with more of the same connection.
pub fn parse(octets: &[u8]) -> Result<Progress, ProxyError> {
    if octets.iter().zip(&SIGNATURE).any(|(seen, expected)| seen != expected) {
        return Err(ProxyError::Signature);
    }
    let mut rest = octets.iter().skip(SIGNATURE.len()).copied();
    let version_command = rest.next();
    let is_local = match version_command.map(|octet| (octet >> 4, octet & 15)) {
        None => return Ok(Progress::NeedsMore { octets: FIXED_OCTETS }),
        Some((2, 0)) => true,
        Some((2, 1)) => false,
        Some((2, command)) => return Err(ProxyError::Command(command)),
        Some((version, _)) => return Err(ProxyError::Version(version)),
    };
    let family = rest.next();
    if let Some(family) = family.filter(|family| !is_local && !is_known(*family)) {
        return Err(ProxyError::Family(family));
    }
    let (Some(family), Some(high), Some(low)) = (family, rest.next(), rest.next()) else {
        return Ok(Progress::NeedsMore { octets: FIXED_OCTETS });
    };
    let whole_octets = FIXED_OCTETS + usize::from(u16::from_be_bytes([high, low]));
    if whole_octets > HEADER_OCTETS {
        return Err(ProxyError::TooLong(whole_octets));
    }
    match octets.get(..whole_octets) {
        None => Ok(Progress::NeedsMore { octets: whole_octets }),
        // Section 2.2: with LOCAL the rest is skipped whatever it says.
        Some(_) if is_local => {
            Ok(Progress::Header { origin: Origin::Local, consumed: whole_octets })
        }
        Some(header) => {
            let origin = origin_of(family, header)?;
            Ok(Progress::Header { origin, consumed: whole_octets })
        }
    }
}

/// Section 2.2: all other values must be rejected.
fn is_known(family: u8) -> bool {
    matches!(family, 0x00 | 0x11 | 0x12 | 0x21 | 0x22 | 0x31 | 0x32)
}

fn origin_of(family: u8, header: &[u8]) -> Result<Origin, ProxyError> {
    let block = header.get(FIXED_OCTETS..).unwrap_or_default();
    let (origin, tlvs) = match family >> 4 {
        1 => {
            let (addresses, tlvs) =
                block.split_first_chunk::<IPV4_OCTETS>().ok_or(ProxyError::TooShort)?;
            (ipv4_pair(addresses), tlvs)
        }
        2 => {
            let (addresses, tlvs) =
                block.split_first_chunk::<IPV6_OCTETS>().ok_or(ProxyError::TooShort)?;
            (ipv6_pair(addresses), tlvs)
        }
        3 => (Origin::Unknown, block.get(UNIX_OCTETS..).ok_or(ProxyError::TooShort)?),
        // Section 2.2: an unspecified family says nothing of what follows.
        _ => return Ok(Origin::Unknown),
    };
    check_tlvs(header, tlvs)?;
    Ok(origin)
}

fn ipv4_pair(addresses: &[u8; IPV4_OCTETS]) -> Origin {
    let [a, b, c, d, e, f, g, h, source_port @ .., i, j] = addresses;
    Origin::Client {
        source: socket(Ipv4Addr::new(*a, *b, *c, *d).into(), *source_port),
        destination: socket(Ipv4Addr::new(*e, *f, *g, *h).into(), [*i, *j]),
    }
}

fn ipv6_pair(addresses: &[u8; IPV6_OCTETS]) -> Origin {
    let mut source = [0u8; 16];
    let mut destination = [0u8; 16];
    let mut octets = addresses.iter().copied();
    source.iter_mut().chain(&mut destination).zip(&mut octets).for_each(|(to, octet)| *to = octet);
    let [.., i, j, k, l] = addresses;
    Origin::Client {
        source: socket(Ipv6Addr::from(source).into(), [*i, *j]),
        destination: socket(Ipv6Addr::from(destination).into(), [*k, *l]),
    }
}

fn socket(address: IpAddr, port: [u8; 2]) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), u16::from_be_bytes(port))
}

/// Section 2.2.1: the TLVs fill the rest of the header; the checksum among them must be right.
fn check_tlvs(header: &[u8], mut tlvs: &[u8]) -> Result<(), ProxyError> {
    while let Some((&[kind, high, low], rest)) = tlvs.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, after) = rest.split_at_checked(length).ok_or(ProxyError::Tlv)?;
        if kind == TLV_CRC32C {
            let value: [u8; 4] = value.try_into().map_err(|_| ProxyError::Tlv)?;
            check_checksum(header, after.len(), u32::from_be_bytes(value))?;
        }
        tlvs = after;
    }
    if tlvs.is_empty() { Ok(()) } else { Err(ProxyError::Tlv) }
}

fn check_checksum(header: &[u8], octets_after: usize, claimed: u32) -> Result<(), ProxyError> {
    let (before, after) =
        header.split_at_checked(header.len() - octets_after).ok_or(ProxyError::Tlv)?;
    let before = before.get(..before.len() - 4).ok_or(ProxyError::Tlv)?;
    let sum = crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]);
    match crc32c::crc32c_append(sum, after) == claimed {
        true => Ok(()),
        false => Err(ProxyError::Checksum),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(version_command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([version_command, family]);
        header.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
        header.extend(block);
        header
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0, 25];

    fn v4_origin() -> Origin {
        Origin::Client {
            source: "192.0.2.1:12345".parse().unwrap(),
            destination: "198.51.100.2:25".parse().unwrap(),
        }
    }

    fn with_checksum(extra: &[u8]) -> Vec<u8> {
        let mut block = V4.to_vec();
        block.extend([TLV_CRC32C, 0, 4, 0, 0, 0, 0]);
        block.extend(extra);
        let mut whole = header(0x21, 0x11, &block);
        let sum = crc32c::crc32c(&whole);
        whole[16 + 12 + 3..16 + 12 + 7].copy_from_slice(&sum.to_be_bytes());
        whole
    }

    fn v6_block() -> Vec<u8> {
        let mut block = Vec::new();
        block.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        block.extend("::ffff:198.51.100.2".parse::<Ipv6Addr>().unwrap().octets());
        block.extend([0x30, 0x39, 0, 25]);
        block
    }

    fn good() -> Vec<(Vec<u8>, Origin)> {
        let v6 = Origin::Client {
            source: "[2001:db8::1]:12345".parse().unwrap(),
            destination: "198.51.100.2:25".parse().unwrap(),
        };
        let tlv = [V4.as_slice(), &[0x01, 0, 2, b'h', b'2', 0x04, 0, 0]].concat();
        vec![
            (header(0x21, 0x11, &V4), v4_origin()),
            (header(0x21, 0x12, &V4), v4_origin()),
            (header(0x21, 0x11, &tlv), v4_origin()),
            (header(0x21, 0x21, &v6_block()), v6),
            (header(0x21, 0x31, &[b'x'; 216]), Origin::Unknown),
            (header(0x21, 0x00, b""), Origin::Unknown),
            (header(0x21, 0x00, b"anything"), Origin::Unknown),
            (header(0x20, 0x00, b""), Origin::Local),
            (header(0x20, 0xff, b"whatever"), Origin::Local),
            (with_checksum(b""), v4_origin()),
            (with_checksum(&[0x20, 0, 5, 1, 0, 0, 0, 0]), v4_origin()),
        ]
    }

    #[test]
    fn headers_are_read_whole_and_octet_by_octet() {
        for (whole, origin) in good() {
            let consumed = whole.len();
            let header = Ok(Progress::Header { origin, consumed });
            for cut in 0..consumed {
                match parse(&whole[..cut]).unwrap() {
                    Progress::NeedsMore { octets } => assert!(octets > cut && octets <= consumed),
                    Progress::Header { .. } => panic!("{cut} of {consumed} octets are enough"),
                }
            }
            assert_eq!(parse(&whole), header);
            assert_eq!(parse(&[whole.as_slice(), b"EHLO x\r\n"].concat()), header);
        }
    }

    #[test]
    fn hostile_headers_are_refused() {
        let mut wrong_sum = with_checksum(b"");
        *wrong_sum.last_mut().unwrap() ^= 1;
        let mut changed = with_checksum(b"");
        changed[16] ^= 1;
        let tlv = |octets: &[u8]| header(0x21, 0x11, &[V4.as_slice(), octets].concat());
        let table = [
            (b"EHLO".to_vec(), ProxyError::Signature),
            (b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n".to_vec(), ProxyError::Signature),
            (b"\r\n\r\n\0\r\nQUIP".to_vec(), ProxyError::Signature),
            (header(0x11, 0x11, &V4), ProxyError::Version(1)),
            (header(0x31, 0x11, &V4), ProxyError::Version(3)),
            (header(0x22, 0x11, &V4), ProxyError::Command(2)),
            (header(0x21, 0x01, &V4), ProxyError::Family(0x01)),
            (header(0x21, 0x13, &V4), ProxyError::Family(0x13)),
            (header(0x21, 0x41, &V4), ProxyError::Family(0x41)),
            (header(0x21, 0x11, &V4[..11]), ProxyError::TooShort),
            (header(0x21, 0x21, &V4), ProxyError::TooShort),
            (header(0x21, 0x31, &[0; 215]), ProxyError::TooShort),
            (header(0x21, 0x00, &[0; 8_193]), ProxyError::TooLong(8_209)),
            (tlv(&[1]), ProxyError::Tlv),
            (tlv(&[1, 0, 2, 0]), ProxyError::Tlv),
            (tlv(&[1, 255, 255]), ProxyError::Tlv),
            (tlv(&[TLV_CRC32C, 0, 3, 0, 0, 0]), ProxyError::Tlv),
            (wrong_sum, ProxyError::Checksum),
            (changed, ProxyError::Checksum),
        ];
        for (octets, error) in table {
            assert_eq!(parse(&octets), Err(error));
        }
    }

    proptest! {
        #[test]
        fn no_octets_lead_astray(tail in prop::collection::vec(any::<u8>(), 0..80), keep in 0usize..=16) {
            let mut octets = header(0x21, 0x11, b"");
            octets.truncate(keep);
            octets.extend(&tail);
            match parse(&octets) {
                Ok(Progress::Header { consumed, .. }) => prop_assert!(consumed <= octets.len()),
                Ok(Progress::NeedsMore { octets: needed }) => {
                    prop_assert!(needed > octets.len() && needed <= HEADER_OCTETS);
                }
                Err(_) => {}
            }
        }
    }
}
