-- What the marks of the browsers are made with that have signed in to an account: another value ends them all.
ALTER TABLE accounts ADD COLUMN browsers bytea NOT NULL DEFAULT '\x00000000000000000000000000000000';
