//! Encoders of old formats, for tests: uuencode, xxencode, yEnc, BinHex, Outlook's streams. Each
//! names its file `a.com`.

pub(crate) fn lines(text: &str) -> String {
    let pieces: Vec<&str> =
        text.as_bytes().chunks(20).map(|c| std::str::from_utf8(c).unwrap()).collect();
    pieces.join("\r\n")
}

pub(crate) fn uuencoded(octets: &[u8], zero: char) -> String {
    let letter = |value: u8| if value == 0 { zero } else { char::from(value + 32) };
    let mut out = String::from("begin 644 a.com\r\n");
    for line in octets.chunks(45) {
        out.push(letter(line.len() as u8));
        push_groups(line, &letter, &mut out);
        out.push_str("\r\n");
    }
    out + &format!("{zero}\r\nend\r\n")
}

pub(crate) fn push_groups(line: &[u8], letter: &dyn Fn(u8) -> char, out: &mut String) {
    for group in line.chunks(3) {
        let at = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for shift in [18, 12, 6, 0] {
            out.push(letter((bits >> shift & 63) as u8));
        }
    }
}

pub(crate) fn xxencoded(octets: &[u8]) -> String {
    const LETTERS: &[u8] = b"+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letter = |value: u8| char::from(LETTERS[usize::from(value)]);
    let mut out = String::from("begin 644 a.com\r\n");
    for line in octets.chunks(45) {
        out.push(letter(line.len() as u8));
        push_groups(line, &letter, &mut out);
        out.push_str("\r\n");
    }
    out + "+\r\nend\r\n"
}

/// The lines of yEnc.
pub(crate) fn yencoded(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for octet in octets {
        match octet.wrapping_add(42) {
            special @ (0 | b'\r' | b'\n' | b'=') => out.extend([b'=', special.wrapping_add(64)]),
            other => out.push(other),
        }
    }
    out
}

pub(crate) fn yenc(octets: &[u8], last: &str) -> Vec<u8> {
    let mut out = format!("=ybegin line=128 size={} name=a.com\r\n", octets.len()).into_bytes();
    out.extend(yencoded(octets));
    out.extend(format!("\r\n{last}").into_bytes());
    out
}

pub(crate) fn yenc_piece(octets: &[u8], number: usize, begin: usize) -> Vec<u8> {
    let mut out = format!(
        "=ybegin part={number} total=2 line=128 size=68 name=a.com\r\n=ypart begin={begin} end={}\r\n",
        begin + octets.len() - 1
    )
    .into_bytes();
    out.extend(yencoded(octets));
    out.extend(format!("\r\n=yend size={} part={number}\r\n", octets.len()).into_bytes());
    out
}

pub(crate) fn binhex(octets: &[u8]) -> String {
    const LETTERS: &[u8] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
    let mut file = b"\x05a.com\0TEXTttxt\0\0".to_vec();
    file.extend((octets.len() as u32).to_be_bytes());
    file.extend([0, 0, 0, 0, 0, 0]);
    file.extend(octets);
    file.extend([0, 0]);
    let mut coded = String::new();
    push_groups(&file, &|value| char::from(LETTERS[usize::from(value)]), &mut coded);
    format!("(This file must be converted with BinHex 4.0)\r\n\r\n:{}:\r\n", lines(&coded))
}

/// A stream of Outlook's with one attachment.
pub(crate) fn tnef(octets: &[u8]) -> Vec<u8> {
    let mut out = b"\x78\x9f\x3e\x22\x01\x00".to_vec();
    let mut add = |level: u8, number: u32, data: &[u8]| {
        out.push(level);
        out.extend(number.to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        let sum = data.iter().fold(0u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
        out.extend(sum.to_le_bytes());
    };
    add(1, 0x0008_9006, &[0, 0, 1, 0]);
    add(2, 0x0006_9002, &[0; 14]);
    add(2, 0x0001_8010, b"a.com\0");
    add(2, 0x0006_800f, octets);
    out
}

/// The same with the file as a message that is embedded.
pub(crate) fn tnef_embedded(octets: &[u8]) -> Vec<u8> {
    let mut object = vec![0; 16];
    object.extend(tnef(octets));
    let mut properties = 1u32.to_le_bytes().to_vec();
    properties.extend([0x0d, 0, 0x01, 0x37, 1, 0, 0, 0]);
    properties.extend((object.len() as u32).to_le_bytes());
    properties.extend(&object);
    properties.resize(properties.len().next_multiple_of(4), 0);
    let mut out = b"\x78\x9f\x3e\x22\x01\x00".to_vec();
    for (number, data) in [(0x0006_9002u32, vec![0; 14]), (0x0006_9005, properties)] {
        out.push(2);
        out.extend(number.to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(&data);
        let sum = data.iter().fold(0u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
        out.extend(sum.to_le_bytes());
    }
    out
}
