use super::{Nature, recognize};

#[test]
fn the_octets_decide_where_they_can() {
    assert_eq!(recognize(b"PK\x03\x04....", "picture.jpg"), Nature::Zip);
    assert_eq!(recognize(b"", "a.zip"), Nature::Empty);
    assert_eq!(recognize(b"WScript.Echo 1", "a.vbs"), Nature::VisualBasic);
}
