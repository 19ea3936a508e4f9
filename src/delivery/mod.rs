//! routing, schedule, SMTP/LMTP/Maildir, reports.
