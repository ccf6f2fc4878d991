-- Who may have what was stopped: mails that broke off in the middle are few, and found without reading all tries.

CREATE INDEX attempts_broken ON attempts (delivery_id) WHERE verdict = 'broken';
