-- What the marks of the browsers are made with that have signed in to an account: another value ends them all.
ALTER TABLE accounts ADD COLUMN browsers BLOB NOT NULL DEFAULT x'00000000000000000000000000000000';
