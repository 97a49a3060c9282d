-- What a buyer has of an event follows from its orders, and is kept in memory. Every order has the
-- key of its buyer from now on, also of an event without a limit, and an address has one key however
-- it is written: the keys are made anew by the program after this (`file.rs`).
DROP TABLE buyers;

-- Whether `name+tag@host` is the same buyer as `name@host`.
ALTER TABLE events ADD COLUMN ignore_email_tags INTEGER NOT NULL DEFAULT 0
    CONSTRAINT known_tag_rule CHECK (ignore_email_tags BETWEEN 0 AND 1);
