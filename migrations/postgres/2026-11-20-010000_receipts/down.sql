DROP TABLE receipt_marks;
