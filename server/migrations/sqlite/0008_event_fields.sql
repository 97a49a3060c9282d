-- When an event ends (absent: some hours after its start, see `EventSpec::ends`), what buyers read about
-- it, whether lists leave it out, and for how many days after the end its buyers are kept by name.
ALTER TABLE events ADD COLUMN ends_ms INTEGER;
ALTER TABLE events ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0
    CONSTRAINT hidden_or_not CHECK (hidden BETWEEN 0 AND 1);
ALTER TABLE events ADD COLUMN keep_buyers_days INTEGER;
