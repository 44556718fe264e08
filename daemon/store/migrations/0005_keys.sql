-- Deleted keys stay as rows that nobody lists: jobs name them.
ALTER TABLE api_key ADD COLUMN deleted_at_ms INTEGER;
