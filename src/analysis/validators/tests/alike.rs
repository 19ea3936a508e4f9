//! Tables of validators that tell what only looks like a number from what is one, for lists.

use super::Table;

pub(super) const TABLES: &[Table] = &[
    (
        "sort_code_undated",
        &[("20-00-00", "200000"), ("40-47-84", "404784")],
        &["12-11-24", "24-11-12", "11-24-12", "00-12-34"],
    ),
    (
        "ten_digit_number",
        &[("9434765918", "9434765918"), ("943 476 5918", "9434765918")],
        &["943476591", "94 34 76 59 18", "https://x.test/p?id=9434765918"],
    ),
    (
        "card_like_number",
        &[("4111111111111112", "4111111111111112"), ("4111 1111 1111 1112", "4111111111111112")],
        &["4111111111111", "411111111111", "https://x.test/p?id=4111111111111112"],
    ),
    (
        "payment_card_listed",
        &[
            ("4111111111111111", "4111111111111111"),
            ("4111/1111/1111/1111", "4111111111111111"),
            ("4111_1111_1111_1111", "4111111111111111"),
            ("4111 - 1111 - 1111 - 1111", "4111111111111111"),
            ("9792030394440796", "9792030394440796"),
        ],
        &["4222222222222", "4111111111111112", "https://x.test/p?id=4111111111111111"],
    ),
    (
        "insurance_like_code",
        &[("QQ123456Z", "QQ123456Z"), ("AB 12 34 56 C", "AB123456C")],
        &["Q1234567Z", "AB12345C", "AB1234567"],
    ),
    (
        "national_insurance_named",
        &[
            ("AB 12 34 56 C", "AB123456C"),
            ("NI number AB123456C", "AB123456C"),
            ("National Insurance: ab123456c", "AB123456C"),
            ("NINO AB123456C", "AB123456C"),
        ],
        &[
            "Part AB123456C",
            "AB123456C",
            "NI number QQ123456C",
            "color AA112233B",
            "Nickel AB123456C",
        ],
    ),
    (
        "person_address",
        &[
            ("ann.brook@example.com", "ann.brook@example.com"),
            ("20031234@uni.test", "20031234@uni.test"),
            ("john1984@example.com", "john1984@example.com"),
        ],
        &[
            "1234567890123456.1234567890@x.test",
            "References: <3DA3B2C1.8070601@example.com",
            "Message-ID: <a1@x.test",
            "000f01c27f31$8a3b$0a01@x.test",
        ],
    ),
];
