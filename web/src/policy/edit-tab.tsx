export const EditTab = () => null;
