-- Where an event's organiser answers questions, and whether the mail with the tickets has them as a PDF, too.
ALTER TABLE events ADD COLUMN contact TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN attach_pdf INTEGER NOT NULL DEFAULT 0
    CONSTRAINT attached_or_not CHECK (attach_pdf BETWEEN 0 AND 1);
