-- Pictures that a job could have given beside its output: name, score and file of each, as JSON.
ALTER TABLE job ADD COLUMN candidates TEXT CHECK (candidates IS NULL OR json_valid(candidates));
