-- Where an event's organiser answers questions, and whether the mail with the tickets has them as a PDF, too.
ALTER TABLE events ADD COLUMN contact text NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN attach_pdf boolean NOT NULL DEFAULT false;
