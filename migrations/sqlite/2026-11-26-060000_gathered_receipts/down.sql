DROP TABLE receipt_times;
DROP INDEX receipt_marks_by_time;
DROP TABLE pending_receipts;
