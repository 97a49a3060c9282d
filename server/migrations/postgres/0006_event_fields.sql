-- When an event ends (absent: some hours after its start, see `EventSpec::ends`), what buyers read about
-- it, whether lists leave it out, and for how many days after the end its buyers are kept by name.
ALTER TABLE events ADD COLUMN ends_ms bigint;
ALTER TABLE events ADD COLUMN description text NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN hidden boolean NOT NULL DEFAULT false;
ALTER TABLE events ADD COLUMN keep_buyers_days bigint;
