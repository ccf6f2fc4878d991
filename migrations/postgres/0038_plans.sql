-- PostgreSQL keeps its figures up to date by itself.
SELECT 1;
