//! Tables of values that hold, that do not and that nearly do, for every validator; and what
//! must be true of all: text before a value does not matter, a changed digit is told, no text
//! makes one fail. Values are published for tests by whoever gives such numbers out, or
//! computed from a row of digits.

mod alike;

use proptest::prelude::*;

use super::*;

/// Name, values that hold with their canonical forms, values that do not.
type Table = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const TABLES: &[Table] = &[
    (
        "nhs_number",
        &[
            ("9434765919", "9434765919"),
            ("943 476 5919", "9434765919"),
            ("943-476-5919", "9434765919"),
            ("9 4 3 4 7 6 5 9 1 9", "9434765919"),
            ("401 023 2137", "4010232137"),
            ("9990123454", "9990123454"),
            ("(943 476 5919)", "9434765919"),
            ("943 476 5919.", "9434765919"),
            ("943.476.5919", "9434765919"),
            ("943 - 476 - 5919", "9434765919"),
            ("_9434765919_", "9434765919"),
        ],
        &[
            "9434765918",
            "943 476 5910",
            "94 34 76 59 19",
            "0000000000",
            "4444444444",
            "19434765919",
            "A9434765919",
            "id_9434765919",
            "943-476 5919",
            "943476591",
            "3.9434765919",
            "12-9434765919",
            "1234567890",
            "",
        ],
    ),
    (
        "chi_number",
        &[("0101701233", "0101701233"), ("010170 1233", "0101701233")],
        &["9434765919", "3201234567"],
    ),
    ("hc_number", &[("320 123 4567", "3201234567")], &["9434765919", "3201234568"]),
    (
        "national_insurance",
        &[
            ("AB123456C", "AB123456C"),
            ("AB 12 34 56 C", "AB123456C"),
            ("ab123456d", "AB123456D"),
            ("JM-12-34-56-A", "JM123456A"),
            ("NI AB 12 34 56 C", "AB123456C"),
        ],
        &[
            "QQ123456C",
            "BG123456A",
            "GB123456A",
            "NK123456A",
            "KN123456A",
            "TN123456A",
            "NT123456A",
            "ZZ123456A",
            "DA123456A",
            "FA123456A",
            "AO123456A",
            "AV123456B",
            "AB123456E",
            "AB12345C",
            "XAB123456C",
            "A B123456C",
        ],
    ),
    (
        "uk_driving_licence",
        &[
            ("MORGA657054SM9IJ", "MORGA657054SM9IJ"),
            ("MORGA 657054 SM9IJ", "MORGA657054SM9IJ"),
            ("MORGA657054SM9IJ35", "MORGA657054SM9IJ"),
            ("MORGA657054SM9IJ 35", "MORGA657054SM9IJ"),
            ("FOX99802290A99AB", "FOX99802290A99AB"),
        ],
        &[
            "MORGA673054SM9IJ",
            "MORGA657324SM9IJ",
            "MORGA650054SM9IJ",
            "99999657054SM9IJ",
            "MO9GA657054SM9IJ",
            "MORGA6570549M9IJ",
            "MORGA657054SM1IJ",
            "FOX99802291A99AB",
            "MORGA657054SM9I",
            "JONES120399AB9CD",
        ],
    ),
    (
        "uk_utr",
        &[("1955839661", "1955839661"), ("11234 56789", "1123456789")],
        &["1955839662", "2123456789", "1111111111"],
    ),
    (
        "uk_postcode",
        &[
            ("SW1A 1AA", "SW1A 1AA"),
            ("m1 1ae", "M1 1AE"),
            ("CR26XH", "CR2 6XH"),
            ("GIR 0AA", "GIR 0AA"),
            ("DN55 1PT", "DN55 1PT"),
            ("London EC1A 1BB", "EC1A 1BB"),
        ],
        &["ZZ1 1AA", "SW1A 1AC", "QQ11 1AA", "1AA", "SW1A 11A", "AAA 1AA"],
    ),
    (
        "uk_passport",
        &[("925665416", "925665416"), ("A12345678", "A12345678")],
        &["111111111", "92566541", "1925665416", "AB1234567"],
    ),
    (
        "licence_or_passport_number",
        &[("L898902C", "L898902C"), ("X1234567", "X1234567")],
        &["ABCDEFGH", "12345", "1234567890"],
    ),
    (
        "passport_mrz",
        &[
            (
                "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<< L898902C36UTO7408122F1204159ZE184226B<<<<<10",
                "UTOL898902C3",
            ),
            (
                "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
                "UTOL898902C3",
            ),
            ("L898902C36UTO7408122F1204159ZE184226B<<<<<10", "UTOL898902C3"),
            (
                "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<< D231458907UTO7408122F1204159<<<<<<<6",
                "UTOD23145890",
            ),
            (
                "I<UTOD231458907<<<<<<<<<<<<<<< 7408122F1204159UTO<<<<<<<<<<<6 ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
                "UTOD23145890",
            ),
        ],
        &[
            "L898902C37UTO7408122F1204159ZE184226B<<<<<10",
            "L898902C36UTO7408132F1204159ZE184226B<<<<<10",
            "L898902C36UTO7408122F1204159ZE184226B<<<<<11",
            "L898902C36UTO7408122F1204159ZE184226C<<<<<10",
            "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
            "<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<",
            "XL898902C36UTO7408122F1204159ZE184226B<<<<<10",
            "I<UTOD231458907<<<<<<<<<<<<<<< 7408122F1204159UTO<<<<<<<<<<<7 ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
        ],
    ),
    (
        "payment_card",
        &[
            ("4111111111111111", "4111111111111111"),
            ("4111 1111 1111 1111", "4111111111111111"),
            ("4111-1111-1111-1111", "4111111111111111"),
            ("4222222222222", "4222222222222"),
            ("5555555555554444", "5555555555554444"),
            ("2221000000000017", "2221000000000017"),
            ("2720 9912 3456 7894", "2720991234567894"),
            ("378282246310005", "378282246310005"),
            ("3782 822463 10005", "378282246310005"),
            ("6011111111111117", "6011111111111117"),
            ("6500123456789017", "6500123456789017"),
            ("30569309025904", "30569309025904"),
            ("3056 930902 5904", "30569309025904"),
            ("3530111333300000", "3530111333300000"),
            ("6759123456787", "6759123456787"),
            ("6221261234567897", "6221261234567897"),
            ("card 4111 1111 1111 1111", "4111111111111111"),
            ("4000000000000002", "4000000000000002"),
        ],
        &[
            "4111111111111112",
            "4111 1111 1111 111",
            "0000000000000000",
            "2721991234567893",
            "41 11111 11111 1111",
            "4111-1111 1111-1111",
            "14111111111111111",
            "7992739871300000",
            "9111111111111111",
            "411111111111111",
            "12345678901234",
        ],
    ),
    (
        "card_track",
        &[
            (";4111111111111111=2512101", "4111111111111111"),
            ("%B4111111111111111^DOE/JANE^2512101", "4111111111111111"),
        ],
        &[";4111111111111112=2512101", "4111111111111111=2512", "%B4111111111111111^DOE"],
    ),
    (
        "iban",
        &[
            ("GB82WEST12345698765432", "GB82WEST12345698765432"),
            ("GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432"),
            ("gb82west12345698765432", "GB82WEST12345698765432"),
            ("IBAN GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432"),
            ("IBAN: DE89 3704 0044 0532 0130 00.", "DE89370400440532013000"),
            ("FR14 2004 1010 0505 0001 3M02 606", "FR1420041010050500013M02606"),
            ("NO9386011117947", "NO9386011117947"),
            ("MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST001S"),
            ("AE07 0331 2345 6789 0123 456", "AE070331234567890123456"),
        ],
        &[
            "GB82WEST12345698765433",
            "GB82 WEST 1234 5698 7654 3",
            "GB28WEST12345698765432",
            "XX82WEST12345698765432",
            "AGB82WEST12345698765432",
            "GB82WE ST12345698765432",
            "DE8937040044053201300",
            "GB00000000000000000000",
        ],
    ),
    (
        "sort_code",
        &[("20-00-00", "200000"), ("40 47 84", "404784"), ("404784", "404784")],
        &["00-12-34", "11-11-11", "2-00-00", "120-00-00", "20-0000"],
    ),
    (
        "uk_account_number",
        &[("55779911", "55779911"), ("7086 8490", "70868490")],
        &["00000000", "5577991", "20240131", "31012024", "155779911"],
    ),
    (
        "sort_code_account",
        &[
            ("20-00-00 55779911", "200000 55779911"),
            ("sort code 40-47-84, account 70872490", "404784 70872490"),
            ("404784 70872490", "404784 70872490"),
        ],
        &[
            "55779911",
            "20-00-00",
            "404784 is the code, and the account is 70872490",
            "00-00-00 55779911",
        ],
    ),
    (
        "vat_uk",
        &[
            ("GB123456782", "GB123456782"),
            ("GB 123 4567 82", "GB123456782"),
            ("123456727", "GB123456727"),
            ("GB123456782001", "GB123456782001"),
            ("XI 123456782", "XI123456782"),
            ("GBGD001", "GBGD001"),
            ("GBHA500", "GBHA500"),
        ],
        &["GB123456783", "GB000000000", "GBGD500", "GBHA499", "GB12345678", "GB1234 56782"],
    ),
    (
        "vat_eu",
        &[
            ("DE123456788", "DE123456788"),
            ("HR12345678903", "HR12345678903"),
            ("FR11123456782", "FR11123456782"),
            ("FR 11 123456782", "FR11123456782"),
            ("IT01234567897", "IT01234567897"),
            ("BE0123456749", "BE0123456749"),
            ("BE 0123.456.749", "BE0123456749"),
            ("IE1234567T", "IE1234567T"),
            ("ES12345678Z", "ES12345678Z"),
            ("SE556012345601", "SE556012345601"),
            ("NL123456782B01", "NL123456782B01"),
            ("PT123456789", "PT123456789"),
        ],
        &[
            "DE123456789",
            "FR12123456782",
            "IT01234567898",
            "IE1234567A",
            "ES12345678A",
            "XX123456788",
            "NL123456783B01",
        ],
    ),
    (
        "us_ssn",
        &[("123-45-6789", "123456789"), ("899 45 6789", "899456789"), ("123456789", "123456789")],
        &[
            "000-45-6789",
            "666-45-6789",
            "900-45-6789",
            "123-00-6789",
            "123-45-0000",
            "078-05-1120",
            "219-09-9999",
            "1123-45-6789",
            "123-456789",
            "111-11-1111",
        ],
    ),
    (
        "email_address",
        &[
            ("ann.brook@example.com", "ann.brook@example.com"),
            ("to Ann.Brook+x@Mail.Example.ORG.", "ann.brook+x@mail.example.org"),
            ("<o'neil@example.com>", "neil@example.com"),
        ],
        &[
            "ann.brook@example",
            "@example.com",
            "a..b@example.com",
            "ann@-x.com",
            "ann@example.c0m",
            "ann at example.com",
            "ann@@example.com",
        ],
    ),
    (
        "phone_number",
        &[
            ("+44 20 7946 0958", "+442079460958"),
            ("+44 (0)20 7946 0958", "+442079460958"),
            ("020 7946 0958", "+442079460958"),
            ("(020) 7946 0958", "+442079460958"),
            ("07700 900123", "+447700900123"),
            ("01632 960123", "+441632960123"),
            ("tel. 0161 496 0123", "+441614960123"),
            ("0044 7700 900123", "+447700900123"),
            ("+1 202-555-0143", "+12025550143"),
            ("+49 30 901820", "+4930901820"),
        ],
        &[
            "12345678901",
            "020 7946 09",
            "+44 20 7946",
            "0000000000",
            "1020 7946 0958",
            "x07700900123",
            "+12",
        ],
    ),
    ("uk_phone_number", &[("07700 900123", "+447700900123")], &["+1 202-555-0143"]),
    (
        "date_of_birth",
        &[
            ("DOB 12/03/1984", "1984-03-12"),
            ("12-03-84", "84-03-12"),
            ("1984-03-12", "1984-03-12"),
            ("12 March 1984", "1984-03-12"),
            ("12th Mar. 1984", "1984-03-12"),
            ("March 12, 1984", "1984-03-12"),
            ("03/25/1984", "1984-03-25"),
            ("29.02.2000", "2000-02-29"),
        ],
        &[
            "31/02/1984",
            "12/13/14/15",
            "29/02/1900",
            "12/03/1784",
            "12/03/2184",
            "112/03/1984",
            "1984",
            "12 Marble 1984x",
        ],
    ),
    (
        "pnc_id",
        &[
            ("2003/0012345N", "03/0012345N"),
            ("03/12345N", "03/0012345N"),
            ("1979/0163001B", "79/0163001B"),
            ("20030012345N", "03/0012345N"),
        ],
        &["2003/0012345M", "2003/0012346N", "2003/0012345I", "2003/0000000Z", "12003/0012345N"],
    ),
    (
        "cro_number",
        &[("123456/99L", "123456/99L"), ("65656/91H", "065656/91H")],
        &["123456/99M", "123457/99L", "1/123456/99L"],
    ),
    ("prison_number", &[("A1234BC", "A1234BC")], &["A123BC", "AB1234C", "1A1234BC"]),
    (
        "private_key",
        &[
            ("-----BEGIN RSA PRIVATE KEY-----", "BEGIN RSA PRIVATE KEY "),
            (
                "-----BEGIN PRIVATE KEY----- MIIEvQIBADANBgkqhkiG9w0B",
                "BEGIN PRIVATE KEY MIIEvQIBADANBgkqhkiG9w0B",
            ),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE",
                "BEGIN OPENSSH PRIVATE KEY b3BlbnNzaC1rZXktdjE",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY----- Proc-Type: 4,ENCRYPTED",
                "BEGIN RSA PRIVATE KEY Proc-Type: 4,ENCRYPTED",
            ),
            ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "BEGIN PGP PRIVATE KEY BLOCK "),
            ("PuTTY-User-Key-File-2: ssh-rsa", "PuTTY-User-Key-File-2 ssh-rsa"),
        ],
        &[
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN RSA PRIVATE KEY----- ...",
            "-----END RSA PRIVATE KEY-----",
            "BEGIN RSA PRIVATE KEY",
        ],
    ),
    (
        "aws_access_key",
        &[
            ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
            ("key=ASIAQWERTYUIOP234567", "ASIAQWERTYUIOP234567"),
        ],
        &[
            "AKIAIOSFODNN7EXAMPL",
            "AKIA1111111111111111",
            "XAKIAIOSFODNN7EXAMPLE",
            "AKIAQWERTYUIOP234561",
        ],
    ),
    (
        "aws_secret_key",
        &[("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")],
        &[
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ],
    ),
    (
        "github_token",
        &[
            (
                "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",
                "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",
            ),
            (
                "token: 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.",
                "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",
            ),
        ],
        &[
            "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18",
            "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkK0mLq17",
            "x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",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ],
    ),
    (
        "github_token_form",
        &[("ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18", "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18")],
        &["ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ghp_short1234"],
    ),
    (
        "npm_token",
        &[("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", "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")],
        &["npm_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU13shKL5"],
    ),
    (
        "gitlab_token",
        &[
            ("glpat-aB3dE5fG7hI9jK1lM3nO", "glpat-aB3dE5fG7hI9jK1lM3nO"),
            ("x=glrt-aB3dE5fG7hI9jK1lM3nO", "glrt-aB3dE5fG7hI9jK1lM3nO"),
        ],
        &["glpat-xxxxxxxxxxxxxxxxxxxx", "glpat-short", "aglpat-aB3dE5fG7hI9jK1lM3nO"],
    ),
    (
        "slack_token",
        &[
            (
                "xoxb-123456789012-1234567890123-aB3dE5fG7hI9jK1lM3nO5pQ7",
                "xoxb-123456789012-1234567890123-aB3dE5fG7hI9jK1lM3nO5pQ7",
            ),
            (
                "https://hooks.slack.com/services/T00000000/B00000000/aB3dE5fG7hI9jK1lM3nO5pQ7",
                "hooks.slack.com/services/T00000000/B00000000/aB3dE5fG7hI9jK1lM3nO5pQ7",
            ),
        ],
        &[
            "xoxb-your-token-here",
            "xoxb-1234",
            "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        ],
    ),
    (
        "stripe_key",
        &[("sk_live_aB3dE5fG7hI9jK1lM3nO5pQ7", "sk_live_aB3dE5fG7hI9jK1lM3nO5pQ7")],
        &["pk_live_aB3dE5fG7hI9jK1lM3nO5pQ7", "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx", "sk_live_short"],
    ),
    (
        "google_secret",
        &[
            ("AIzaSyaB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vWx", "AIzaSyaB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vWx"),
            ("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", "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"),
        ],
        &["AIzaSyXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "AIzaSyaB3dE5fG7"],
    ),
    (
        "azure_secret",
        &[
            (
                "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
                "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
            ),
            ("aB38Q~dE5fG7hI9jK1lM3nO5pQ7rS9tU1vWxYz1", "aB38Q~dE5fG7hI9jK1lM3nO5pQ7rS9tU1vWxYz1"),
        ],
        &[
            "AccountKey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
            "AccountKey=short==",
        ],
    ),
    (
        "cloud_token",
        &[
            ("hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH", "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
            (
                "dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                "dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            ),
        ],
        &["hf_short", "SG.xxxxxxxx"],
    ),
    (
        "jwt",
        &[
            (
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0",
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0",
            ),
            ("Bearer eyJhbGciOiJub25lIn0.eyJ", "eyJhbGciOiJub25lIn0.eyJ"),
        ],
        &[
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9",
            "eyJ4IjoxfQ.eyJzdWIi",
            "eyJnonsense.eyJzdWIi",
            "a.b.c",
        ],
    ),
    (
        "password",
        &[
            ("password: Summer2024", "Summer2024"),
            ("Your password is hunter2!", "hunter2!"),
            ("pwd=Tr0ub4dor&3", "Tr0ub4dor"),
            ("DB_PASS=s3cr3t-v4lue", "s3cr3t-v4lue"),
            ("Passwort: Geheim!23", "Geheim!23"),
            ("Password: \"Xk9#mP2q\"", "Xk9#mP2q"),
            ("passcode = 483920", "483920"),
            ("password: letmein", "letmein"),
            ("Password -> Autumn#77 ", "Autumn#77"),
            ("mot de passe : Bonjour1", "Bonjour1"),
            ("Your new password is: Blue-Horse-42", "Blue-Horse-42"),
            ("the password was Blue-Horse-42", "Blue-Horse-42"),
            ("password for the VPN is Blue-Horse-42", "Blue-Horse-42"),
            ("password to the archive of May: Blue-Horse-42", "Blue-Horse-42"),
            ("Temporary password - Blue-Horse-42", "Blue-Horse-42"),
            ("password \u{2192} Blue-Horse-42", "Blue-Horse-42"),
            ("pw: Blue-Horse-42", "Blue-Horse-42"),
            ("<password>Blue-Horse-42</", "Blue-Horse-42"),
            ("passphrase: correct horse battery staple", "correct horse battery staple"),
        ],
        &[
            "password: required",
            "password: ********",
            "password: <password>",
            "password: your_password1",
            "password: changeme1",
            "password: xxxxxx1",
            "password: ${DB_PASSWORD}",
            "password reset",
            "the password is case-sensitive",
            "password: https://example.com/r1",
            "compass: North123",
            "password: none",
            "password: aaaaaaa",
            "password: ann1@example.com",
            "password: see",
            "Password: Please",
            "password = getpass.getpass()",
            "password = os.environ[\"PW\"]",
            "password = os.environ[",
            "password=$DB_PASS",
            "password=$db_pass",
            "self.password = password",
            "password := r.FormValue(\"password\"",
            "password = req.body.password;",
            "password = read_from(stdin",
            "Change password - security",
            "password for this was changed",
            "passphrase: please choose four good words",
            "the passphrase is used to unlock keys",
        ],
    ),
    (
        "random_secret",
        &[
            ("api_key = \"aB3dE5fG7hI9jK1lM3nO\"", "aB3dE5fG7hI9jK1lM3nO"),
            ("token=0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
        ],
        &["api_key = your_api_key_goes_here1", "api_key: xxxxxxxxxxxxxxxx99", "secret: short1"],
    ),
    (
        "url_password",
        &[
            ("postgres://app:s3cr3tpw@db.example.com", "app:s3cr3tpw"),
            ("mongodb+srv://root:hunter22@", "root:hunter22"),
        ],
        &[
            "https://example.com:8080/a@b",
            "postgres://user:password@host",
            "http://a:b@c",
            "ftp://user:<pw>@host",
            "see https://example.com/x",
        ],
    ),
];

/// All of them.
fn tables() -> impl Iterator<Item = &'static Table> {
    TABLES.iter().chain(alike::TABLES)
}

fn judge(name: &str, text: &str) -> Option<Valid> {
    by_name(name).unwrap()(text)
}

#[test]
fn values_hold_or_do_not() {
    let mut wrong = Vec::new();
    for (name, good, bad) in tables() {
        for (text, normal) in *good {
            let found = judge(name, text).map(|valid| valid.normal);
            if found.as_deref() != Some(*normal) {
                wrong.push(format!("{name}: {text}: {found:?}"));
            }
        }
        for text in *bad {
            if let Some(found) = judge(name, text) {
                wrong.push(format!("{name}: {text} holds: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_validator_has_its_table_and_is_found_by_its_name() {
    let known: Vec<&str> = names().collect();
    assert!(known.is_sorted());
    for name in &known {
        assert!(tables().any(|(own, ..)| own == name), "{name}");
    }
    assert_eq!(tables().count(), known.len());
    assert!(by_name("none").is_none() && by_name("").is_none());
}

#[test]
fn text_before_a_value_does_not_matter() {
    let before = ["x ", "see (", "Nr: ", "äöü — ", "a b c, ", "…\n", "no. 4; "];
    let mut wrong = Vec::new();
    for (name, good, _) in tables() {
        for (text, normal) in *good {
            for before in before {
                let whole = format!("{before}{text}");
                match judge(name, &whole) {
                    Some(found) if found.normal == *normal => {
                        assert!(found.start >= before.len().saturating_sub(2), "{name}: {whole}");
                        assert!(whole.is_char_boundary(found.start));
                    }
                    other => wrong.push(format!("{name}: {whole}: {other:?}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_changed_digit_is_told() {
    let checked = [
        ("nhs_number", "9434765919"),
        ("payment_card", "4111111111111111"),
        ("payment_card", "378282246310005"),
        ("iban", "GB82WEST12345698765432"),
        ("iban", "DE89370400440532013000"),
        ("pnc_id", "2003/0012345N"),
        ("cro_number", "123456/99L"),
        ("vat_eu", "DE123456788"),
        ("vat_eu", "IT01234567897"),
        ("github_token", "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"),
    ];
    let mut wrong = Vec::new();
    for (name, good) in checked {
        for (at, old) in good.char_indices().filter(|(_, letter)| letter.is_ascii_digit()) {
            for digit in ('0'..='9').filter(|digit| *digit != old) {
                let mut changed = good.to_owned();
                changed.replace_range(at..=at, &digit.to_string());
                // The century of a year and leading zeros are not checked, nor a card's issuer.
                if name == "pnc_id" && at < 2 {
                    continue;
                }
                if judge(name, &changed).is_some() {
                    wrong.push(format!("{name}: {changed}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn longer_matches_than_the_reach_are_read_from_their_middle() {
    let header = base64::Engine::encode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        format!("{{\"typ\":\"JWT\",\"kid\":\"{}\",\"alg\":\"RS256\"}}", "k".repeat(90)),
    );
    let whole = format!("{header}.eyJ");
    let cut = &whole[whole.len() - REACH_OCTETS..];
    assert!(judge("jwt", cut).is_some());
    let noise = format!("{}.eyJ", "Zm9v".repeat(23));
    assert!(judge("jwt", &noise).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_a_validator_fail(text in "\\PC{0,120}", tail in "[A-Za-z0-9 <>=:@./+-]{0,60}") {
        let whole = format!("{text}{tail}");
        for (_, validator) in VALIDATORS {
            if let Some(valid) = validator(&whole) {
                prop_assert!(whole.is_char_boundary(valid.start) && valid.start < whole.len());
                prop_assert!(!valid.normal.is_empty());
            }
        }
    }

    #[test]
    fn every_cut_of_a_good_text_is_borne(table in 0..TABLES.len(), cut in 0usize..100) {
        for (text, _) in TABLES[table].1 {
            let end = text.floor_char_boundary(cut.min(text.len()));
            for (_, validator) in VALIDATORS {
                let _ = validator(&text[..end]);
                let _ = validator(&text[end..]);
            }
        }
    }

    #[test]
    fn computed_nhs_numbers_hold(body in 100_000_000u64..999_999_999) {
        let digits = body.to_string();
        let sum: u32 = digits.chars().zip((2..=10u32).rev()).map(|(d, w)| d.to_digit(10).unwrap() * w).sum();
        let check = (11 - sum % 11) % 11;
        prop_assume!(check != 10);
        let whole = format!("{digits}{check}");
        prop_assume!(whole.chars().any(|digit| !whole.starts_with(digit)));
        prop_assert!(judge("nhs_number", &whole).is_some());
        let wrong = format!("{digits}{}", (check + 1) % 10);
        prop_assert!(judge("nhs_number", &wrong).is_none());
    }
}
